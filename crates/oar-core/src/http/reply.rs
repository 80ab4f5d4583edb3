//! One answer and the meaning of its status.

use bytes::Bytes;
use http::StatusCode;
use http::header::{AGE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::call::Repeat;
use super::retry_after::asked_pause;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::redact::Redactor;
use crate::service::Service;

/// A complete answer, with any status.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) service: Service,
    pub(super) operation: &'static str,
    pub(super) subject: Option<String>,
    pub(super) redactor: Redactor,
    pub(super) repeat: Repeat,
    /// Whether the call was a read.
    pub(super) read: bool,
    pub(super) received: Timestamp,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            self.failure(ServiceErrorKind::Malformed, format!("not the JSON that was expected: {error}"))
        })
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, ServiceError> {
        std::str::from_utf8(&self.body)
            .map_err(|_| self.failure(ServiceErrorKind::Malformed, "not UTF-8 text"))
    }

    /// How far the clock of this machine was ahead of the service's when it answered; `None` without a readable `Date`, and
    /// when a cache answered (`Age`): its `Date` is that of an older answer.
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        if self.headers.contains_key(AGE) {
            return None;
        }
        let date = self.headers.get(DATE)?.to_str().ok()?;
        let date = jiff::fmt::rfc2822::parse(date).ok()?;
        Some(self.received.duration_since(date.timestamp()))
    }

    /// The kind of failure of this status, by the general meaning of HTTP; `None` for 2xx and 304.
    ///
    /// A 5xx to a write that is not safe to repeat is [`ServiceErrorKind::Unclear`]: a gateway may have lost
    /// the answer of a service that acted. A 403 with a time to wait is a rate limit, as GitHub uses it (spec
    /// 01 §2.9).
    pub fn failure_kind(&self) -> Option<ServiceErrorKind> {
        match failure_kind(self.status) {
            // The API itself answers 404 in JSON; a page comes from a proxy or a wrong address.
            Some(ServiceErrorKind::NotFound) if answers_in_json(self.service) && self.is_page() => {
                Some(ServiceErrorKind::Malformed)
            }
            Some(ServiceErrorKind::Forbidden) if asked_pause(&self.headers, self.received).is_some() => {
                Some(ServiceErrorKind::RateLimited)
            }
            Some(ServiceErrorKind::Unavailable)
                if self.repeat == Repeat::OnlyWhenRefused && !self.says_retry_after() =>
            {
                Some(ServiceErrorKind::Unclear)
            }
            kind => kind,
        }
    }

    /// Whether it has `Retry-After`: a 503 with it is a refusal, one without it may come from a gateway in front of a service
    /// that has acted.
    pub(super) fn says_retry_after(&self) -> bool {
        self.headers.contains_key(RETRY_AFTER)
    }

    /// Whether the body is an HTML page.
    pub(super) fn is_page(&self) -> bool {
        let begin = self.body.get(..BEGIN.min(self.body.len())).unwrap_or_default();
        let begin = String::from_utf8_lossy(begin).to_ascii_lowercase();
        let begin =
            begin.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
        begin.starts_with("<!doctype html") || begin.starts_with("<html")
    }

    /// An error of this call, with this answer's status and the given detail, which is redacted and
    /// shortened.
    pub fn failure(&self, kind: ServiceErrorKind, detail: impl AsRef<str>) -> ServiceError {
        let mut error = ServiceError::new(
            self.service,
            self.operation,
            kind,
            excerpt(&self.redactor.redact(detail.as_ref())),
        )
        .with_status(self.status.as_u16());
        error.subject.clone_from(&self.subject);
        error.read = self.read;
        // A client that knows what a redirection means sets another kind.
        if self.status.is_redirection() && kind == ServiceErrorKind::Malformed {
            // The body is irrelevant then.
            if !error.detail.starts_with("redirected") {
                error.detail = self.words();
            }
            error.hint = Some(format!(
                "This address does not answer as {0}: it redirects elsewhere, such as to a login page or a \
                 new address. Sign in there or check the address (`OAR_ENDPOINT_{1}`), then run the same \
                command again.",
                self.service,
                self.service.key()
            ));
        }
        error
    }

    /// A short summary of the body for errors: its first line, or the title of an HTML page.
    ///
    /// For a redirection it is the target without the path, which may contain a token.
    pub fn words(&self) -> String {
        if self.status.is_redirection()
            && let Some(target) = self.headers.get(LOCATION).and_then(|value| value.to_str().ok())
        {
            let host = Url::parse(target).ok().and_then(|url| url.host_str().map(str::to_owned));
            return format!("redirected to {}", host.as_deref().unwrap_or("another path"));
        }
        let text = String::from_utf8_lossy(&self.body);
        // Before anything is cut off: half of a secret would not be recognized afterwards.
        let text = self.redactor.redact(text.trim());
        if text.starts_with('<') {
            return html_title(&text)
                .map_or_else(|| "an HTML page".to_owned(), |title| format!("HTML page: {title}"));
        }
        excerpt(&text)
    }

    /// This answer when its status is a success, otherwise an error with the detail that `describe` makes
    /// from the body.
    pub fn success(self, describe: impl FnOnce(&Self) -> String) -> Result<Self, ServiceError> {
        match self.failure_kind() {
            None => Ok(self),
            Some(kind) => Err(self.failure(kind, describe(&self))),
        }
    }
}

/// Bytes of a body that are examined for HTML.
const BEGIN: usize = 512;

/// Whether this service's API never answers with HTML, whatever the status.
fn answers_in_json(service: Service) -> bool {
    matches!(
        service,
        Service::GithubApi
            | Service::Jira
            | Service::Gitlab
            | Service::Slack
            | Service::Gangway
            | Service::Pyxis
            | Service::Catalog
            | Service::CatalogStage
            | Service::GoogleOauth
            | Service::GoogleSheets
            | Service::Kube
    )
}

fn failure_kind(status: StatusCode) -> Option<ServiceErrorKind> {
    match status.as_u16() {
        200..=299 | 304 => None,
        // Clients follow the redirections that they expect.
        300..=399 => Some(ServiceErrorKind::Malformed),
        401 => Some(ServiceErrorKind::Unauthorized),
        403 => Some(ServiceErrorKind::Forbidden),
        404 | 410 => Some(ServiceErrorKind::NotFound),
        409 | 412 => Some(ServiceErrorKind::Conflict),
        429 => Some(ServiceErrorKind::RateLimited),
        // 407: a proxy; 421: a server that is not responsible for this host.
        407 | 421 | 500..=599 => Some(ServiceErrorKind::Unavailable),
        _ => Some(ServiceErrorKind::Rejected),
    }
}

fn html_title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let open = start + lower.get(start..)?.find('>')? + 1;
    let end = open + lower.get(open..)?.find("</title")?;
    let title = html.get(open..end)?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then(|| excerpt(&title))
}

/// The first line of a text, at most 300 characters.
pub(super) fn excerpt(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    if line.chars().count() <= 300 {
        return line.to_owned();
    }
    line.chars().take(300).chain(['…']).collect()
}
