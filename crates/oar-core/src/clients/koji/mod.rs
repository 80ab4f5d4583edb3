//! Koji's hub: the tags of a build (spec 02 §4). No credentials are sent.

pub(crate) mod xmlrpc;

#[cfg(test)]
mod tests;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use url::Url;
use xmlrpc::{Answer, Value};

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http};
use crate::ids::Nvr;
use crate::service::Service;

/// Koji's code for "the hub is offline".
const OFFLINE: i64 = 1014;
/// Koji's code for an error without a code of its own, such as an unknown build.
const GENERIC: i64 = 1000;

/// Reads from one hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KojiClient {
    http: Http,
    base: Url,
}

impl KojiClient {
    /// A client of the hub at `base`, the URL that XML-RPC calls are sent to.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base }
    }

    /// The names of the tags of a build.
    ///
    /// A build that the hub does not know is [`ServiceErrorKind::NotFound`], never "no tags".
    pub async fn list_tags(&self, build: &Nvr) -> Result<Vec<String>, ServiceError> {
        let build = build.to_string();
        let call = Call::new(Service::Brewhub, "list the tags of a build", Method::POST, self.base.clone())
            .about(&build)
            .header(CONTENT_TYPE, HeaderValue::from_static("text/xml"))
            .body(xmlrpc::call("listTags", &[("build", &build)]))
            // A read, although XML-RPC sends it as a POST.
            .read();
        let reply = self.http.send(call).await?.success(crate::http::Reply::words)?;
        let malformed = |detail: String| reply.failure(ServiceErrorKind::Malformed, detail);
        match xmlrpc::answer(reply.text()?).map_err(malformed)? {
            Answer::Fault { code: OFFLINE, text } => {
                Err(reply.failure(ServiceErrorKind::Unavailable, format!("the hub is offline: {text}")))
            }
            Answer::Fault { code: GENERIC, text } if text.to_ascii_lowercase().contains("no such build") => {
                Err(reply.failure(ServiceErrorKind::NotFound, text))
            }
            Answer::Fault { code, text } => {
                Err(reply.failure(ServiceErrorKind::Rejected, format!("fault {code}: {text}")))
            }
            Answer::Value(Value::Array(tags)) => tags
                .iter()
                .map(|tag| tag.member("name").and_then(Value::as_text).map(str::to_owned))
                .collect::<Option<Vec<String>>>()
                .ok_or_else(|| malformed("a tag without a name".to_owned())),
            Answer::Value(_) => Err(malformed("not the list of tags that was expected".to_owned())),
        }
    }
}
