//! Error messages and redirections in a registry's answers.

use http::header::LOCATION;
use secrecy::SecretString;
use url::Url;

use crate::http::Reply;
use crate::redact::Redactor;

/// The target of a redirection, if the answer is one; an error when it must not be followed.
pub(super) fn redirection(reply: &Reply, from: &Url) -> Option<Result<Url, String>> {
    if !matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Some(match target.map(|target| from.join(target)) {
        Some(Ok(url)) if url.scheme() == "https" || url.scheme() == from.scheme() => Ok(url),
        Some(Ok(url)) => Err(format!("redirected to the scheme {}", url.scheme())),
        Some(Err(_)) | None => Err("redirected to no address".to_owned()),
    })
}

/// The registry's error message without `secrets`: codes and messages of `errors`, or else what the answer says.
///
/// Errors cut what is long, and half of a secret would not be recognized afterwards.
pub(super) fn refusal(reply: &Reply, secrets: &[SecretString]) -> String {
    let redactor = Redactor::new(secrets.iter().cloned());
    let words = words(reply);
    if !words.is_empty() {
        return redactor.redact(&words.join("; ")).into_owned();
    }
    let mut shown = reply.clone();
    shown.body = redactor.redact(&String::from_utf8_lossy(&reply.body)).into_owned().into();
    shown.words()
}

/// Whether the body is an HTML page.
pub(super) fn is_page(reply: &Reply) -> bool {
    reply.body.trim_ascii_start().starts_with(b"<")
}

pub(super) fn words(reply: &Reply) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let errors = body.get("errors").and_then(serde_json::Value::as_array);
    errors
        .into_iter()
        .flatten()
        .map(|error| {
            let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
            format!("{}: {}", text("code"), text("message"))
        })
        .collect()
}
