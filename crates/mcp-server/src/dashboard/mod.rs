//! The dashboard: where every release stands, for eyes. Read-only, at `/` of the process that serves MCP.
//!
//! `board` looks things up, once for everybody who looks, and `seen` is what it has seen; `views` turn what the core says into what a page shows, and `text`
//! is the only way of stored text onto a page; `pages` makes the pages and keeps them for a moment, `packed` as they are sent; `live` tells open pages
//! what has changed; `login` says who may look.

mod address;
mod answer;
mod assets;
mod board;
mod links;
mod live;
mod login;
mod packed;
mod pages;
mod seen;
#[cfg(test)]
mod tests;
mod text;
mod views;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, ORIGIN, SET_COOKIE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, Version};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use oar_core::redact::Redactor;
use tokio_util::sync::CancellationToken;
use url::Url;
use url::form_urlencoded;

use address::{Form, NoPage, Page};
use answer::{Failure, form_of};
use board::{Board, Wants};
use live::Viewers;
use login::{Logins, NoViewer, Viewer, next_page};
use pages::Pages;

use crate::audit::{Audit, RefusedEntry};
use crate::content::Content;
use crate::settings::Settings;
use crate::transport::Metrics;
use crate::transport::connections::OfConnection;
use crate::transport::gate::host_of;
use crate::transport::refusal::Reason;

/// The largest form, in bytes: one token.
const LARGEST_FORM: usize = 8 * 1024;

/// The dashboard. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dashboard(Arc<Inner>);

struct Inner {
    board: Board,
    pages: Pages,
    settings: Arc<Settings>,
    metrics: Metrics,
    logins: Logins,
    viewers: Viewers,
    stop: CancellationToken,
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dashboard").finish_non_exhaustive()
    }
}

impl Dashboard {
    /// Pages about what `content` reads.
    pub(crate) fn new(content: Content, settings: Arc<Settings>, metrics: Metrics) -> Self {
        let stop = CancellationToken::new();
        let board = Board::new(content, stop.clone());
        let pages = Pages::new(board.clone());
        let (logins, viewers) = (Logins::default(), Viewers::default());
        Self(Arc::new(Inner { board, pages, settings, metrics, logins, viewers, stop }))
    }

    /// Ends the streams, so that open pages connect to whatever comes next.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    fn redactor(&self) -> &Redactor {
        self.0.board.content().documents().clients().http().redactor()
    }

    fn now(&self) -> Timestamp {
        self.0.board.clock().now()
    }
}

/// What the handlers share.
#[derive(Clone)]
struct Desk {
    dashboard: Dashboard,
    audit: Audit,
}

/// The pages, with everything that every answer of theirs has.
pub(crate) fn router(dashboard: &Dashboard, audit: &Audit) -> Router {
    let desk = Desk { dashboard: dashboard.clone(), audit: audit.clone() };
    Router::new()
        .route("/", get(page))
        .route("/releases", get(page))
        .route("/releases.json", get(page))
        .route("/releases/{name}", get(page))
        .route("/builds", get(page))
        .route("/builds.json", get(page))
        .route("/builds/{name}", get(page))
        .route("/lead-time", get(page))
        .route("/lead-time.json", get(page))
        .route("/events", get(events))
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .route("/static/{name}", get(file))
        .method_not_allowed_fallback(not_allowed)
        .fallback(absent)
        .layer(from_fn_with_state(desk.clone(), known_host))
        .layer(map_response(answer::guarded))
        .with_state(desk)
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<OfConnection>().map(|connection| connection.peer)
}

fn query(uri: &Uri) -> &str {
    uri.query().unwrap_or_default()
}

fn redirect(to: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response
}

/// Refuses names that are not ours: a page of a stranger may have led a browser here under its own name.
async fn known_host(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    if host_of(&desk.dashboard.0.settings, request.uri(), request.headers()).is_some() {
        return next.run(request).await;
    }
    desk.refused(Reason::Host, None, peer(&request));
    let what = "This name of the server is not accepted.";
    Failure::new(Reason::Host.status(), "Not this name", what)
        .next("Open the server at its own address; a proxy's name is given with --host.")
        .response(form_of(request.uri().path(), request.headers()), None)
}

async fn absent(State(desk): State<Desk>, request: Request) -> Response {
    let viewer = desk.viewer(&request).ok();
    Failure::absent().response(form_of(request.uri().path(), request.headers()), viewer.as_ref())
}

async fn not_allowed(request: Request) -> Response {
    let what = "This address is read with GET; nothing can be changed here.";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "Only reading", what)
        .response(form_of(request.uri().path(), request.headers()), None)
}

async fn file(request: Request) -> Response {
    let uri = request.uri();
    let name = uri.path().trim_start_matches("/static/");
    assets::file(name, query(uri), request.headers())
        .unwrap_or_else(|| Failure::absent().response(Form::Html, None))
}

impl Desk {
    /// Who sends a request. Their connection counts as that of somebody known.
    fn viewer(&self, request: &Request) -> Result<Viewer, NoViewer> {
        let Inner { settings, logins, .. } = &*self.dashboard.0;
        let dashboard = &self.dashboard;
        let connection = request.extensions().get::<OfConnection>();
        let peer = connection.map(|connection| connection.peer);
        let viewer =
            logins.viewer(settings, request.headers(), peer, dashboard.now(), dashboard.redactor())?;
        if let Some(connection) = connection {
            connection.authenticated();
        }
        Ok(viewer)
    }

    /// Counts a refusal, and writes its line into the audit log.
    fn refused(&self, reason: Reason, caller: Option<&str>, from: Option<IpAddr>) {
        self.dashboard.0.metrics.refused(reason);
        let status = reason.status().as_u16();
        self.audit.refused(&RefusedEntry { caller, tool: None, reason: reason.name(), status, from });
    }

    /// The answer to somebody who may not look.
    fn no_viewer(&self, why: NoViewer, request: &Request, form: Form) -> Response {
        match why {
            NoViewer::Narrow(name) => {
                self.refused(Reason::NarrowToken, Some(&name), peer(request));
                let what = format!("{name} may not read releases: the token lacks the scope release:read.");
                Failure::new(StatusCode::FORBIDDEN, "Not for this token", what)
                    .next("Ask the owner of the server for the scope, or log in with another token.")
                    .response(form, None)
            }
            NoViewer::Nobody(reason) => {
                // Without a token nobody is refused: whoever opens a page is asked to log in.
                if reason != Reason::NoToken {
                    self.refused(reason, None, peer(request));
                }
                if form == Form::Html && reason != Reason::WrongToken {
                    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
                    let next: String =
                        form_urlencoded::byte_serialize(next_page(wanted).as_bytes()).collect();
                    return redirect(&format!("/login?next={next}"));
                }
                Failure::new(StatusCode::UNAUTHORIZED, "Log in", login_words(reason))
                    .next("Send `Authorization: Bearer <token>`, or log in at /login.")
                    .response(form, None)
            }
        }
    }
}

fn login_words(reason: Reason) -> &'static str {
    match reason {
        Reason::WrongToken => "This token is not known.",
        Reason::ExpiredToken => "This token has expired.",
        Reason::Origin => "The form was sent from another site.",
        Reason::LargeBody | Reason::SlowBody | Reason::BrokenBody => "The form could not be read.",
        _ => "These pages are for people with a token.",
    }
}

async fn page(State(desk): State<Desk>, request: Request) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let form = form_of(uri.path(), headers);
    let viewer = match desk.viewer(&request) {
        Ok(viewer) => viewer,
        Err(why) => return desk.no_viewer(why, &request, form),
    };
    let (page, form) = match Page::parse(uri.path(), query(uri)) {
        // Whoever asks for JSON gets it at either address.
        Ok((page, _)) => (page, form),
        Err(NoPage::Absent) => return Failure::absent().response(form, Some(&viewer)),
        Err(NoPage::Wrong(what)) => {
            let what = desk.dashboard.redactor().redact(&what).into_owned();
            let what = cli_support::plain(&what);
            return Failure::new(StatusCode::BAD_REQUEST, "Not a question that can be answered", what)
                .next("Open the page without parameters.")
                .response(form, Some(&viewer));
        }
    };
    if uri.path() == "/releases" && form == Form::Html {
        return redirect(&page.address(form));
    }
    match desk.dashboard.0.pages.page(&page, form).await {
        Ok(packed) => packed.response_to(&viewer.markup().0, headers, "private, no-cache"),
        Err(failure) => failure.response(form, Some(&viewer)),
    }
}

async fn events(State(desk): State<Desk>, request: Request) -> Response {
    if let Err(why) = desk.viewer(&request) {
        return desk.no_viewer(why, &request, Form::Json);
    }
    let wants = match query(request.uri()) {
        "of=builds" => Wants::Builds,
        _ => Wants::Releases,
    };
    let Inner { board, metrics, viewers, stop, .. } = &*desk.dashboard.0;
    // Over HTTP/2 other requests are answered on the same connection.
    let is_alone = request.version() < Version::HTTP_2;
    let connection = request.extensions().get::<OfConnection>().filter(|_| is_alone).cloned();
    viewers.stream(board, wants, metrics, connection, stop.clone()).unwrap_or_else(|| {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "Too many viewers", "Too many pages are open.")
            .next("This page still shows everything when it is loaded again.")
            .retry(60)
            .response(Form::Json, None)
    })
}

/// What the form of the login says besides its question.
fn login_page(next: &str, why: Option<&'static str>, status: StatusCode) -> Response {
    pages::login(next_page(next), why, status)
}

async fn login_form(State(desk): State<Desk>, request: Request) -> Response {
    let pairs = form_urlencoded::parse(query(request.uri()).as_bytes());
    let next = pairs.into_iter().find(|(name, _)| name == "next").map(|(_, next)| next.into_owned());
    let next = next.unwrap_or_default();
    match desk.viewer(&request) {
        Ok(_) => redirect(next_page(&next)),
        Err(NoViewer::Nobody(Reason::ExpiredToken)) => {
            login_page(&next, Some(login_words(Reason::ExpiredToken)), StatusCode::OK)
        }
        Err(_) => login_page(&next, None, StatusCode::OK),
    }
}

/// Whether a form was sent by one of our own pages, as far as the browser says.
fn is_own_origin(settings: &Settings, headers: &HeaderMap, host: &Authority) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
        return site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    };
    let origin = origin.to_str().ok().filter(|_| origins.next().is_none());
    let Some(origin) = origin.and_then(|origin| Url::parse(origin).ok()) else { return false };
    match &settings.public_url {
        Some(public) if origin.origin() == public.origin() => true,
        _ => Url::parse(&format!("{}://{host}", origin.scheme()))
            .is_ok_and(|own| own.origin() == origin.origin()),
    }
}

/// The token and the next page in a form.
async fn read_form(request: Request, settings: &Settings) -> Result<(String, String), Reason> {
    let body = to_bytes(request.into_body(), LARGEST_FORM);
    let body = match tokio::time::timeout(settings.limits.body_time, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(Reason::LargeBody),
        Err(_) => return Err(Reason::SlowBody),
    };
    let (mut token, mut next) = (String::new(), String::new());
    for (name, value) in form_urlencoded::parse(&body) {
        match name.as_ref() {
            "token" => token = value.into_owned(),
            "next" => next = value.into_owned(),
            _ => {}
        }
    }
    Ok((token, next))
}

async fn log_in(State(desk): State<Desk>, request: Request) -> Response {
    let Inner { settings, logins, .. } = &*desk.dashboard.0;
    let from = peer(&request);
    let connection = request.extensions().get::<OfConnection>().cloned();
    let refuse = |reason: Reason, next: &str| {
        desk.refused(reason, None, from);
        login_page(next, Some(login_words(reason)), reason.status())
    };
    let host = host_of(settings, request.uri(), request.headers());
    if !host.is_some_and(|host| is_own_origin(settings, request.headers(), &host)) {
        return refuse(Reason::Origin, "/");
    }
    let (token, next) = match read_form(request, settings).await {
        Ok(form) => form,
        Err(reason) => return refuse(reason, "/"),
    };
    match logins.enter(settings, &token, desk.dashboard.now()) {
        Ok((caller, cookie)) => {
            tracing::info!("{} has logged in to the dashboard", caller.name);
            if let Some(connection) = connection {
                connection.authenticated();
            }
            let mut response = redirect(next_page(&next));
            response.headers_mut().insert(SET_COOKIE, cookie);
            response
        }
        Err(NoViewer::Nobody(reason)) => refuse(reason, &next),
        Err(NoViewer::Narrow(name)) => {
            desk.refused(Reason::NarrowToken, Some(&name), from);
            let why = "This token may not read releases: it lacks the scope release:read.";
            login_page(&next, Some(why), StatusCode::FORBIDDEN)
        }
    }
}

async fn log_out(State(desk): State<Desk>, request: Request) -> Response {
    let Inner { settings, logins, .. } = &*desk.dashboard.0;
    let host = host_of(settings, request.uri(), request.headers());
    if !host.is_some_and(|host| is_own_origin(settings, request.headers(), &host)) {
        desk.refused(Reason::Origin, None, peer(&request));
        return Failure::new(StatusCode::FORBIDDEN, "Not from this site", login_words(Reason::Origin))
            .response(Form::Html, None);
    }
    let mut response = redirect("/login");
    if let Some(cookie) = logins.leave(settings, request.headers()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
