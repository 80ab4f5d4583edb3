//! What a token may do with a repository, as far as GitHub says (spec 01 §2.9).

use http::StatusCode;
use http::header::HeaderMap;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{GithubClient, Purpose, Repository, encoded, failure};
use crate::clients::empty;
use crate::error::ServiceError;

/// How GitHub's classic tokens begin (docs.github.com, "GitHub's token formats").
const CLASSIC: &str = "ghp_";
/// The header with the scopes of a classic token.
const SCOPES: &str = "x-oauth-scopes";
/// The header with the end of a token's time.
const EXPIRES: &str = "github-authentication-token-expiration";

/// What a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRights {
    /// A classic token with these scopes.
    Scopes(Vec<String>),
    /// A fine-grained token, or one of an app: no answer names its permissions.
    Untold,
}

/// When a token expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// At this time.
    At(Timestamp),
    /// GitHub names no time: the token does not expire, or is of a kind of which GitHub does not say it.
    Untold,
    /// GitHub names a time that cannot be read.
    Unreadable(String),
}

/// How a token stands to a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryStanding {
    /// What the token may do.
    pub rights: TokenRights,
    /// When it expires.
    pub expires: Expiry,
    /// Whether the token's account may push; `None` when GitHub does not say. Of a token whose permissions are not told this
    /// says nothing about the token.
    pub account_may_push: Option<bool>,
    /// Whether only some people see the repository.
    pub is_private: bool,
    /// Whether nobody can write to it any more.
    pub is_archived: bool,
}

#[derive(Deserialize)]
struct RepositoryAnswer {
    #[serde(default, deserialize_with = "empty::or_default")]
    permissions: Option<PermissionsAnswer>,
    #[serde(default, deserialize_with = "empty::flag")]
    private: bool,
    #[serde(default, deserialize_with = "empty::flag")]
    archived: bool,
}

#[derive(Deserialize)]
struct PermissionsAnswer {
    push: Option<bool>,
}

impl GithubClient {
    /// How the token stands to `repository`, in one request.
    pub async fn standing(&self, repository: &Repository) -> Result<RepositoryStanding, ServiceError> {
        let purpose = Purpose { operation: "read a repository", subject: repository.to_string() };
        let address = format!("/repos/{}/{}", encoded(repository.owner()), encoded(repository.name()));
        let reply = self.get(address, None, purpose).await?;
        if reply.status != StatusCode::OK {
            return Err(failure::of(&reply));
        }
        let answer: RepositoryAnswer = reply.json()?;
        Ok(RepositoryStanding {
            rights: self.rights(&reply.headers),
            expires: expiry(&reply.headers),
            account_may_push: answer.permissions.and_then(|permissions| permissions.push),
            is_private: answer.private,
            is_archived: answer.archived,
        })
    }

    /// Some kinds of tokens get the header without a scope, so an empty one counts only for a token that has scopes.
    fn rights(&self, headers: &HeaderMap) -> TokenRights {
        let Some(scopes) = headers.get(SCOPES).and_then(|value| value.to_str().ok()) else {
            return TokenRights::Untold;
        };
        let scopes: Vec<String> =
            scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        let is_classic =
            self.inner.token.as_ref().is_some_and(|token| token.expose_secret().starts_with(CLASSIC));
        if scopes.is_empty() && !is_classic { TokenRights::Untold } else { TokenRights::Scopes(scopes) }
    }
}

/// GitHub writes `2027-10-12 09:00:00 UTC`, and for some tokens `2027-10-12 18:00:00 +0900`.
fn expiry(headers: &HeaderMap) -> Expiry {
    let Some(value) = headers.get(EXPIRES) else { return Expiry::Untold };
    let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    let offset = text.strip_suffix(" UTC").map(|time| format!("{time} +0000"));
    let parsed = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S %z", offset.as_deref().unwrap_or(&text));
    match parsed.and_then(|parsed| parsed.to_timestamp()) {
        Ok(time) => Expiry::At(time),
        Err(_) => Expiry::Unreadable(text.chars().take(40).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http};
    use crate::error::ServiceErrorKind;

    async fn standing(
        token: &str,
        headers: &[(&str, &str)],
        body: serde_json::Value,
    ) -> Result<RepositoryStanding, ServiceError> {
        let server = MockServer::start().await;
        let mut answer = ResponseTemplate::new(200).set_body_json(body);
        for (name, value) in headers {
            answer = answer.insert_header(*name, *value);
        }
        Mock::given(method("GET")).and(path("/repos/a/b")).respond_with(answer).mount(&server).await;
        let client = GithubClient::new(http(1), base(&server, ""), Some(token.to_owned().into()));
        client.standing(&"a/b".parse().unwrap()).await
    }

    #[tokio::test]
    async fn scopes_are_told_of_classic_tokens_alone() {
        let scopes = |all: &[&str]| TokenRights::Scopes(all.iter().map(|one| (*one).to_owned()).collect());
        for (token, header, expected) in [
            ("ghp_a", Some("repo, workflow"), scopes(&["repo", "workflow"])),
            ("ghp_a", Some(""), scopes(&[])),
            ("github_pat_a", None, TokenRights::Untold),
            ("github_pat_a", Some(""), TokenRights::Untold),
            ("ghs_a", None, TokenRights::Untold),
            ("gho_a", Some("public_repo"), scopes(&["public_repo"])),
        ] {
            let headers: Vec<_> = header.map(|header| (SCOPES, header)).into_iter().collect();
            let found = standing(token, &headers, json!({"permissions": {"push": true}})).await.unwrap();
            assert_eq!(found.rights, expected, "{token} {header:?}");
            assert_eq!(found.account_may_push, Some(true));
        }
    }

    #[tokio::test]
    async fn the_expiry_is_read_in_both_spellings() {
        for (header, expected) in [
            (None, Expiry::Untold),
            (Some("2027-10-12 09:00:00 UTC"), Expiry::At("2027-10-12T09:00:00Z".parse().unwrap())),
            (Some("2027-10-12 18:00:00 +0900"), Expiry::At("2027-10-12T09:00:00Z".parse().unwrap())),
            (Some("soon"), Expiry::Unreadable("soon".to_owned())),
        ] {
            let headers: Vec<_> = header.map(|header| (EXPIRES, header)).into_iter().collect();
            assert_eq!(standing("ghp_a", &headers, json!({})).await.unwrap().expires, expected, "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_absent_or_null_is_not_known_and_what_is_damaged_is_an_error() {
        for body in [json!({}), json!({"permissions": null, "private": null, "archived": null})] {
            let found = standing("ghp_a", &[], body).await.unwrap();
            assert_eq!((found.account_may_push, found.is_private, found.is_archived), (None, false, false));
        }
        let error = standing("ghp_a", &[], json!("no repository")).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed);
    }
}
