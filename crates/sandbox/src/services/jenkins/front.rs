//! Jenkins' sign-in, crumbs and routes, which are as deep as the folders.

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State as AxumState},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, any},
};
use base64::Engine as _;
use percent_encoding::percent_decode_str;

use super::{
    handlers,
    model::{Account, Crumbs, State},
};
use crate::{unexpected::Unexpected, world::Shared};

/// The header of a crumb.
pub(super) const CRUMB_FIELD: &str = "Jenkins-Crumb";
/// Larger than any form that is sent here.
const BODY_LIMIT: usize = 1024 * 1024;

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().fallback(front)
}

/// Its first page, at the prefix with a slash, which a nested router does not get.
pub fn first_page() -> MethodRouter<Shared> {
    any(|world: AxumState<Shared>, mut request: Request| async move {
        *request.uri_mut() = Uri::from_static("/");
        front(world, request).await
    })
}

/// A page as Jenkins answers errors.
pub(super) fn page(status: StatusCode, title: &str) -> Response {
    let text = format!(
        "<html><head><title>Error {} {title}</title></head><body>{title}</body></html>",
        status.as_u16()
    );
    (status, Html(text)).into_response()
}

/// What was asked, taken apart.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) parts: Vec<String>,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

async fn front(AxumState(world): AxumState<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return page(StatusCode::PAYLOAD_TOO_LARGE, "Too large");
    };
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let ask = Ask {
        method: head.method,
        parts: head.uri.path().split('/').filter(|part| !part.is_empty()).map(decode).collect(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    };
    let now = world.clock.now();
    let base = world.url("/jenkins");
    let mut state = world.jenkins.lock();
    state.advance(now);
    if state.starting {
        // No Retry-After, and nothing was done.
        return page(
            StatusCode::SERVICE_UNAVAILABLE,
            "Please wait while Jenkins is getting ready to work ...",
        );
    }
    let account = match authenticate(&state, &ask.headers) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let reads = ask.method == Method::GET;
    if account.is_none() && !(reads && state.anonymous_read) {
        return login_page();
    }
    if !reads && !has_crumb(&state, account.as_ref(), &ask.headers) {
        return page(StatusCode::FORBIDDEN, "No valid crumb was included in the request");
    }
    let mut response =
        handlers::answer(&mut state, account.as_ref(), &ask, &base, now).unwrap_or_else(|| {
            Unexpected::new(format!("{} /{}", ask.method, ask.parts.join("/"))).into_response()
        });
    if let Ok(version) = "2.462.3".parse() {
        response.headers_mut().insert("x-jenkins", version);
    }
    response
}

/// Jenkins never answers 401 to a request without credentials, but a page that forwards to the sign-in.
fn login_page() -> Response {
    let text = "<html><head><meta http-equiv='refresh' content='1;url=/jenkins/login?from=%2F'/></head><body \
                style='background-color:white; color:white;'>Authentication required</body></html>";
    (StatusCode::FORBIDDEN, Html(text)).into_response()
}

fn authenticate(state: &State, headers: &HeaderMap) -> Result<Option<Account>, Box<Response>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let wrong = || {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Jenkins\"")];
        Box::new((challenge, page(StatusCode::UNAUTHORIZED, "Unauthorized")).into_response())
    };
    let basic = value.to_str().ok().and_then(|value| value.strip_prefix("Basic ")).ok_or_else(wrong)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(basic).map_err(|_| wrong())?;
    let text = String::from_utf8(decoded).map_err(|_| wrong())?;
    let (user, secret) = text.split_once(':').ok_or_else(wrong)?;
    let account = state.accounts.iter().find(|account| account.user == user && account.secret == secret);
    account.cloned().map(Some).ok_or_else(wrong)
}

/// The crumb of an account; it belongs to its session.
pub(super) fn crumb(account: &Account) -> String {
    format!("crumb-of-{}", account.user)
}

fn has_crumb(state: &State, account: Option<&Account>, headers: &HeaderMap) -> bool {
    let Some(account) = account else { return false };
    let needed = match state.crumbs {
        Crumbs::Off => false,
        Crumbs::ForPasswords => !account.is_token,
        Crumbs::Always => true,
    };
    if !needed {
        return true;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let session = text("cookie").contains(&format!("JSESSIONID=session-of-{}", account.user));
    text(CRUMB_FIELD) == crumb(account) && session
}
