//! Who sends a request: bearer tokens, of which only the hash is known (RFC 6750), and the description of the protected
//! resource (RFC 9728).

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::refusal::{Reason, Refusal};
use crate::caller::{Access, AccessScope, Caller};
use crate::settings::Settings;

/// The longest token that is hashed, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// The caller of a request with these headers.
pub(crate) fn caller(
    settings: &Settings,
    headers: &HeaderMap,
    metadata: &str,
    now: Timestamp,
) -> Result<Arc<Caller>, Refusal> {
    if let Some(anonymous) = &settings.anonymous {
        return Ok(Arc::clone(anonymous));
    }
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = sent.next() else {
        return Err(Refusal::new(Reason::NoToken).challenge(challenge(metadata, None, AccessScope::ALL)));
    };
    let invalid = |reason, why| {
        Refusal::new(reason).challenge(challenge(metadata, Some(("invalid_token", why)), AccessScope::ALL))
    };
    let unknown = || invalid(Reason::WrongToken, "the token is not known");
    if sent.next().is_some() {
        return Err(unknown());
    }
    let token = first.to_str().ok().and_then(bearer).ok_or_else(unknown)?;
    caller_of(settings, &hash_of(token), now).map_err(|no_caller| match no_caller {
        NoCaller::Unknown => unknown(),
        NoCaller::Expired(caller) => {
            invalid(Reason::ExpiredToken, "the token has expired").of_caller(&caller.name)
        }
    })
}

/// Why a token is nobody's.
#[derive(Debug)]
pub(crate) enum NoCaller {
    /// It is not known.
    Unknown,
    /// It was this caller's.
    Expired(Arc<Caller>),
}

/// The hash by which a token is known.
pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The caller whose token has this hash.
pub(crate) fn caller_of(
    settings: &Settings,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Arc<Caller>, NoCaller> {
    // Every token is compared, wholly, so that the time says nothing about which one was nearly right.
    let mut found = u64::MAX;
    for (number, known) in (0_u64..).zip(&settings.callers) {
        let same: Choice = known.hash.ct_eq(hash);
        found.conditional_assign(&number, same);
    }
    let known = usize::try_from(found).ok().and_then(|number| settings.callers.get(number));
    let known = known.ok_or(NoCaller::Unknown)?;
    let today = now.to_zoned(TimeZone::UTC).date();
    if known.expires.is_some_and(|last| today > last) {
        return Err(NoCaller::Expired(Arc::clone(&known.caller)));
    }
    Ok(Arc::clone(&known.caller))
}

/// Refuses a call of a tool whose scope the caller does not have.
pub(super) fn check_access(caller: &Caller, access: Access, metadata: &str) -> Result<(), Refusal> {
    let scope = match access {
        Access::Anybody => return Ok(()),
        Access::With(scope) if caller.may(scope) => return Ok(()),
        Access::With(scope) => scope,
    };
    let why = ("insufficient_scope", "the token does not have the scope of the tool");
    Err(Refusal::new(Reason::NarrowToken).challenge(challenge(metadata, Some(why), [scope])))
}

/// The token in the value of `Authorization`.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST).then_some(token)
}

fn challenge(
    metadata: &str,
    error: Option<(&str, &str)>,
    scopes: impl IntoIterator<Item = AccessScope>,
) -> String {
    let scopes: Vec<&str> = scopes.into_iter().map(AccessScope::name).collect();
    let mut challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"{}\"", scopes.join(" "));
    if let Some((error, description)) = error {
        challenge.push_str(", error=\"");
        challenge.push_str(error);
        challenge.push_str("\", error_description=\"");
        challenge.push_str(description);
        challenge.push('"');
    }
    challenge
}

/// The description of the protected resource. It names no authorisation server: tokens are given out by people.
pub(super) fn metadata(resource: &str) -> Value {
    json!({
        "resource": resource,
        "resource_name": "release-tests",
        "scopes_supported": AccessScope::ALL.map(AccessScope::name),
        "bearer_methods_supported": ["header"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::{configured, local_options};

    fn settings() -> Settings {
        let mut old = configured("old", "token-old", &["release:read"]);
        old.expires = Some("2026-07-01".parse().unwrap());
        let callers = [configured("ci", "token-ci", &["release:read"]), old];
        Settings::new(&local_options(), &callers, |_| true).unwrap()
    }

    fn outcome(values: &[&str], now: &str) -> Result<String, Reason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let found = caller(&settings(), &headers, "https://x/meta", now.parse().unwrap());
        found.map(|caller| caller.name.clone()).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_token_is_its_callers_until_the_end_of_its_last_day() {
        let (before, after) = ("2026-07-01T23:59:59Z", "2026-07-02T00:00:00Z");
        assert_eq!(outcome(&["Bearer token-ci"], after), Ok("ci".to_owned()));
        assert_eq!(outcome(&["bearer  token-ci "], after), Ok("ci".to_owned()));
        assert_eq!(outcome(&["Bearer token-old"], before), Ok("old".to_owned()));
        assert_eq!(outcome(&["Bearer token-old"], after), Err(Reason::ExpiredToken));
    }

    #[test]
    fn other_values_are_no_token() {
        let now = "2026-07-01T00:00:00Z";
        assert_eq!(outcome(&[], now), Err(Reason::NoToken));
        let hash = &configured("ci", "token-ci", &[]).token_sha256;
        let long = format!("Bearer {}", "x".repeat(LONGEST + 1));
        for value in
            ["Bearer token-c", "Bearer token-cii", "Basic token-ci", "token-ci", "Bearer ", "", &long]
        {
            assert_eq!(outcome(&[value], now), Err(Reason::WrongToken), "{value}");
        }
        assert_eq!(
            outcome(&[&format!("Bearer {hash}")], now),
            Err(Reason::WrongToken),
            "the hash is no token"
        );
        assert_eq!(outcome(&["Bearer token-ci", "Bearer token-ci"], now), Err(Reason::WrongToken));
    }

    #[test]
    fn challenges_name_the_metadata_the_error_and_the_scopes() {
        assert_eq!(
            challenge("https://x/meta", Some(("insufficient_scope", "why")), [AccessScope::Write]),
            "Bearer resource_metadata=\"https://x/meta\", scope=\"release:write\", error=\"insufficient_scope\", \
             error_description=\"why\""
        );
    }
}
