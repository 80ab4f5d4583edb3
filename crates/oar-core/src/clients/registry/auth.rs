//! Anonymous access: the registry's challenge, and the token that it sends us for.
//!
//! Protocol: RFC 6750 challenges, with the parameters of Docker's token authentication.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// A registry's demand for a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// The first `Bearer` challenge of an answer.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).find_map(Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        Some(Self {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        })
    }

    /// Where the token is asked for: the realm with service and scope.
    ///
    /// A realm on another scheme than https is only followed when the registry itself is spoken to without it.
    pub(super) fn token_url(&self, registry: &Url) -> Result<Url, String> {
        let mut url =
            Url::parse(&self.realm).map_err(|error| format!("its token realm is no URL: {error}"))?;
        if url.scheme() != "https" && url.scheme() != registry.scheme() {
            return Err(format!("its token realm has the scheme {}", url.scheme()));
        }
        for (name, value) in [("service", &self.service), ("scope", &self.scope)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url)
    }
}

/// `name="value", name=value, …`; a comma inside quotes belongs to the value.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim().trim_start_matches(',').trim().to_ascii_lowercase();
        let after = after.trim_start();
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let mut text = String::new();
            let mut escaped = false;
            let mut end = quoted.len();
            for (index, character) in quoted.char_indices() {
                match character {
                    _ if escaped => {
                        text.push(character);
                        escaped = false;
                    }
                    '\\' => escaped = true,
                    '"' => {
                        end = index + 1;
                        break;
                    }
                    other => text.push(other),
                }
            }
            rest = quoted.get(end..).unwrap_or_default();
            value = text;
        } else {
            let (bare, tail) = after.split_once(',').unwrap_or((after, ""));
            value = bare.trim().to_owned();
            rest = tail;
        }
        found.entry(name).or_insert(value);
    }
    found
}

/// The token service's answer; `access_token` is its newer spelling.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl TokenAnswer {
    pub(super) fn into_token(self) -> Option<SecretString> {
        self.token.or(self.access_token).map(SecretString::from)
    }
}

/// Tokens of this process by registry and repository.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, SecretString>>);

impl Tokens {
    pub(super) fn get(&self, key: &str) -> Option<SecretString> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn put(&self, key: &str, token: SecretString) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_in_every_spelling() {
        let text =
            r#"Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="repository:a/b:pull,push""#;
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.realm, "https://quay.io/v2/auth");
        assert_eq!(challenge.scope.as_deref(), Some("repository:a/b:pull,push"));
        let url = challenge.token_url(&Url::parse("https://quay.io").unwrap()).unwrap();
        assert_eq!(url.query(), Some("service=quay.io&scope=repository%3Aa%2Fb%3Apull%2Cpush"));
        let bare =
            Challenge::parse(r#"bearer Realm=http://r.example.test/token , service="a \"b\"""#).unwrap();
        assert_eq!(bare.realm, "http://r.example.test/token");
        assert_eq!(bare.service.as_deref(), Some("a \"b\""));
        assert!(bare.token_url(&Url::parse("https://quay.io").unwrap()).is_err(), "never down to http");
        assert_eq!(Challenge::parse("Basic realm=\"x\""), None);
        assert_eq!(Challenge::parse("Bearer service=\"x\""), None);
        assert_eq!(
            Challenge::parse("Bearer realm=\"x"),
            Some(Challenge { realm: "x".into(), service: None, scope: None })
        );
    }
}
