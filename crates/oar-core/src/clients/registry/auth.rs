//! The registry's challenge, and the token that it requires.
//!
//! Protocol: RFC 6750 challenges, with the parameters of Docker's token authentication.

use std::collections::HashMap;

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
    /// The first `Bearer` challenge of an answer. A header may hold several challenges, and an answer several headers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).find_map(Self::parse)
    }

    /// Whether an answer asks for an account's name and password themselves.
    pub(super) fn is_basic(headers: &HeaderMap) -> bool {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        texts.flat_map(challenges).any(|(scheme, _)| scheme == "basic")
    }

    fn parse(text: &str) -> Option<Self> {
        challenges(text).into_iter().filter(|(scheme, _)| scheme == "bearer").find_map(
            |(_, mut parameters)| {
                Some(Self {
                    realm: parameters.remove("realm")?,
                    service: parameters.remove("service"),
                    scope: parameters.remove("scope"),
                })
            },
        )
    }

    /// The same for reading `repository`, where the registry names no scope: a token without any opens nothing.
    pub(super) fn reading(mut self, repository: &str) -> Self {
        if self.scope.as_ref().is_none_or(|scope| scope.trim().is_empty()) {
            self.scope = Some(format!("repository:{repository}:pull"));
        }
        self
    }

    /// The URL that issues the token: the realm with service and scopes.
    ///
    /// Blanks separate several scopes, and each becomes a parameter of its own (distribution/distribution,
    /// `docs/content/spec/auth/token.md`); in a form they stay together (`oauth.md`).
    ///
    /// A realm without https is accepted only when the registry itself is used without https.
    pub(super) fn token_url(&self, registry: &Url) -> Result<Url, String> {
        let mut url =
            Url::parse(&self.realm).map_err(|error| format!("its token realm is not a URL: {error}"))?;
        if url.scheme() != "https" && url.scheme() != registry.scheme() {
            return Err(format!("its token realm has the scheme {}", url.scheme()));
        }
        if let Some(service) = &self.service {
            url.query_pairs_mut().append_pair("service", service);
        }
        for scope in self.scope.iter().flat_map(|scopes| scopes.split_ascii_whitespace()) {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        Ok(url)
    }
}

/// The challenges of a header, each with its scheme in lower case and its parameters (RFC 9110 §11.6.1):
/// `Basic realm="a", Bearer realm="b",service="c"`.
///
/// A comma separates both challenges and parameters: a word without a following `=` starts a challenge.
fn challenges(text: &str) -> Vec<(String, HashMap<String, String>)> {
    let mut found: Vec<(String, HashMap<String, String>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t', '=']);
        if rest.is_empty() {
            return found;
        }
        let end = rest.find([',', ' ', '\t', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, tail) = parameter_value(value.trim_start());
            if let Some((_, parameters)) = found.last_mut() {
                parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            rest = tail;
        } else {
            found.push((word.to_ascii_lowercase(), HashMap::new()));
            rest = after;
        }
    }
}

/// A value, quoted or not, and the rest of the text; a comma inside quotes belongs to the value.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (bare, tail) = text.split_at(end);
        return (bare.to_owned(), tail);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (index, character) in quoted.char_indices() {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, quoted.get(index + 1..).unwrap_or_default()),
            other => value.push(other),
        }
    }
    (value, "")
}

/// The token service's answer. `access_token` is the name in OAuth 2.0; some services write both or leave one
/// of them empty.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl TokenAnswer {
    pub(super) fn into_token(self) -> Option<SecretString> {
        [self.token, self.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.trim().is_empty())
            .map(SecretString::from)
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
        let text =
            r#"Bearer realm="https://r.example.test",scope="repository:a/b:pull repository:c/d:pull,push""#;
        let several = Challenge::parse(text).unwrap().reading("a/b");
        let url = several.token_url(&Url::parse("https://r.example.test").unwrap()).unwrap();
        assert_eq!(
            url.query(),
            Some("scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%2Fd%3Apull%2Cpush")
        );
        for nothing in
            [r#"Bearer realm="https://r.example.test""#, r#"Bearer realm="https://r.example.test",scope="""#]
        {
            let asked = Challenge::parse(nothing).unwrap().reading("a/b");
            assert_eq!(asked.scope.as_deref(), Some("repository:a/b:pull"), "{nothing}");
        }
        assert_eq!(Challenge::parse("Basic realm=\"x\""), None);
        assert_eq!(Challenge::parse("Bearer service=\"x\""), None);
        assert_eq!(
            Challenge::parse("Bearer realm=\"x"),
            Some(Challenge { realm: "x".into(), service: None, scope: None })
        );
    }

    #[test]
    fn of_several_challenges_in_one_header_the_bearer_is_taken() {
        let bearer = Challenge {
            realm: "https://r.example.test/token".into(),
            service: Some("r.example.test".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        let own = r#"Bearer realm="https://r.example.test/token",service="r.example.test",scope="repository:a/b:pull,push""#;
        for text in [
            format!(r#"Basic realm="a, Bearer realm=x", {own}"#),
            format!("Negotiate, {own}"),
            format!("Negotiate YIIabc==,{own}"),
            format!(r#"{own}, Basic realm="https://other.example.test/""#),
            format!("Basic realm=other , {own},Digest realm=\"y\", nonce=\"1=2\""),
        ] {
            assert_eq!(Challenge::parse(&text), Some(bearer.clone()), "{text}");
        }
        for none in ["", ",,", "=", "Basic", "Basic realm=\"Bearer realm=\"", "Bearer", "realm=\"x\""] {
            assert_eq!(Challenge::parse(none), None, "{none}");
        }
        // A challenge without a realm is useless; the next one may have one.
        let second = Challenge::parse(r#"Bearer service="x", Bearer realm="y""#).unwrap();
        assert_eq!((second.realm.as_str(), second.service), ("y", None));
    }

    #[test]
    fn a_token_comes_under_either_name() {
        for (answer, expected) in [
            (r#"{"token": "a"}"#, Some("a")),
            (r#"{"access_token": "a"}"#, Some("a")),
            (r#"{"token": "", "access_token": "a", "expires_in": 300}"#, Some("a")),
            (r#"{"token": null, "access_token": "a"}"#, Some("a")),
            (r#"{"token": "a", "access_token": ""}"#, Some("a")),
            (r#"{"token": " ", "access_token": null}"#, None),
            ("{}", None),
        ] {
            let answer: TokenAnswer = serde_json::from_str(answer).unwrap();
            let token = answer.into_token();
            assert_eq!(token.as_ref().map(secrecy::ExposeSecret::expose_secret), expected);
        }
    }
}
