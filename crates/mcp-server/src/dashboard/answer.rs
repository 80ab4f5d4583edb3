//! Answers: a page around its main part; refusals; and the headers that every answer has.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::address::Form;
use super::assets;
use super::login::Viewer;
use super::packed::{PLACE, Packed};

/// Nothing but our own files may be loaded, run, called or sent to.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src \
    'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// The text of a page or its JSON, packed.
pub(super) fn packed(form: Form, text: String) -> Packed {
    match form {
        Form::Html => Packed::with_place(HTML, text),
        Form::Json => Packed::new(JSON, text),
    }
}

/// Something that is marked up already.
#[derive(Debug, Default)]
pub(super) struct Markup(pub(super) String);

impl Markup {
    /// Where a page that is kept names its reader.
    pub(super) fn place() -> Self {
        Self(PLACE.to_owned())
    }
}

impl std::fmt::Display for Markup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// The places that the navigation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Release,
    Builds,
    Build,
    LeadTime,
    /// No page of the navigation.
    Elsewhere,
}

/// A whole page around its main part.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) place: Place,
    pub(super) main: Markup,
    /// Who reads it: marked up, or [`PLACE`].
    pub(super) viewer: Markup,
    /// The version of what is shown, and where to hear of changes; without it nothing changes.
    pub(super) live: Option<Live>,
    /// The same as JSON.
    pub(super) json: Option<String>,
    /// When a page without scripts is read anew, in seconds.
    pub(super) refresh: Option<u32>,
}

/// Where a page hears of changes.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) version: u64,
    pub(super) events: &'static str,
    pub(super) path: String,
}

impl Frame<'_> {
    fn css() -> &'static str {
        assets::css_address()
    }

    fn js() -> &'static str {
        assets::js_address()
    }

    fn icon() -> &'static str {
        assets::icon_address()
    }

    /// The page as text. A template that cannot be written is a defect, which the page says.
    pub(super) fn html(&self) -> String {
        self.render().unwrap_or_else(|error| {
            tracing::error!("a page cannot be written: {error}");
            "<!doctype html><title>Error</title><p>This page cannot be written; the log says why.</p>"
                .to_owned()
        })
    }
}

/// A page that is not there, or not for whoever asks, or cannot be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) what: String,
    pub(super) next: Option<String>,
    pub(super) retry: Option<u32>,
}

#[derive(Debug, Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    failure: &'a Failure,
}

impl Failure {
    pub(super) fn new(status: StatusCode, title: &'static str, what: impl Into<String>) -> Self {
        Self { status, title, what: what.into(), next: None, retry: None }
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    pub(super) fn retry(mut self, seconds: u32) -> Self {
        self.retry = Some(seconds);
        self
    }

    pub(super) fn absent() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No such page", "There is no page at this address.")
            .next("The overview lists what there is.")
    }

    pub(super) fn response(&self, form: Form, viewer: Option<&Viewer>) -> Response {
        let text = match form {
            Form::Json => json!({"error": self.what, "next": self.next}).to_string(),
            Form::Html => {
                let main = FailurePage { failure: self }.render().unwrap_or_else(|_| self.title.to_owned());
                let frame = Frame {
                    title: self.title,
                    place: Place::Elsewhere,
                    main: Markup(main),
                    viewer: viewer.map_or_else(Markup::default, Viewer::markup),
                    live: None,
                    json: None,
                    refresh: self.retry,
                };
                frame.html()
            }
        };
        let mut response = packed(form, text).response(&HeaderMap::new(), "no-store");
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.remove(ETAG);
        if let Some(seconds) = self.retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The form that whoever sends these headers reads.
pub(super) fn form_of(path: &str, headers: &HeaderMap) -> Form {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    let wants_json = accept.contains(JSON) && !accept.contains("text/html");
    if path.strip_suffix(".json").is_some() || wants_json { Form::Json } else { Form::Html }
}

/// The headers of every answer, refusals too.
pub(super) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it the form of the login would be sent without its origin.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
