//! Who looks: a token in the header or by a form that leaves a cookie, or a proxy that signs people in.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use oar_core::redact::Redactor;

use super::answer::Markup;
use crate::caller::{AccessScope, Caller};
use crate::settings::Settings;
use crate::transport::authorisation::{LONGEST, NoCaller, bearer, caller_of, hash_of};
use crate::transport::refusal::Reason;

/// How long a login lasts.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);
/// The most logins at the same time, of all callers and of one.
const MOST: usize = 1000;
const MOST_OF_CALLER: usize = 100;
/// The names of the cookie: behind TLS browsers hold the prefix to its promise.
const COOKIE_NAME: &str = "release-tests-dashboard";
const SECURE_COOKIE_NAME: &str = "__Host-release-tests-dashboard";
/// The longest name of a person, in characters.
const LONGEST_NAME: usize = 80;

/// Somebody who may look.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "viewer.html")]
pub(super) struct Viewer {
    /// The name, as the page shows it; nobody has one on a server without callers.
    pub(super) name: Option<String>,
    /// Whether the login ends by a form.
    pub(super) by_form: bool,
}

impl Viewer {
    /// Who looks, as each page says it.
    pub(super) fn markup(&self) -> Markup {
        // Without it the page is right all the same.
        Markup(self.render().unwrap_or_default())
    }
}

/// Why somebody may not look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoViewer {
    /// Nobody is logged in, or no longer.
    Nobody(Reason),
    /// The caller may not read.
    Narrow(String),
}

/// The logins by form: of the secret in a cookie only the hash is kept.
#[derive(Clone, Default)]
pub(super) struct Logins(Arc<Mutex<HashMap<[u8; 32], Login>>>);

struct Login {
    /// The hash of the token, which is looked up each time: it may have expired since.
    token: [u8; 32],
    caller: String,
    until: Timestamp,
}

impl fmt::Debug for Logins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Logins").finish_non_exhaustive()
    }
}

fn cookie_name(settings: &Settings) -> &'static str {
    if settings.public_url.is_some() { SECURE_COOKIE_NAME } else { COOKIE_NAME }
}

impl Logins {
    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Login>> {
        // Each change is one call, so a panic elsewhere does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs in with `token`; the value of the header that sets the cookie.
    pub(super) fn enter(
        &self,
        settings: &Settings,
        token: &str,
        now: Timestamp,
    ) -> Result<(Arc<Caller>, HeaderValue), NoViewer> {
        let token = token.trim();
        if token.is_empty() || token.len() > LONGEST {
            return Err(NoViewer::Nobody(Reason::WrongToken));
        }
        let hash = hash_of(token);
        let caller = reader_of(settings, &hash, now)?;
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let until = now + LIFETIME;
        let mut all = self.all();
        all.retain(|_, login| login.until > now);
        let oldest = |all: &HashMap<[u8; 32], Login>, of: Option<&str>| {
            let own = all.iter().filter(|(_, login)| of.is_none_or(|name| login.caller == name));
            own.min_by_key(|(_, login)| login.until).map(|(key, _)| *key)
        };
        let own = all.values().filter(|login| login.caller == caller.name).count();
        let full = match (own >= MOST_OF_CALLER, all.len() >= MOST) {
            (true, _) => oldest(&all, Some(&caller.name)),
            (false, true) => oldest(&all, None),
            (false, false) => None,
        };
        if let Some(oldest) = full {
            all.remove(&oldest);
        }
        all.insert(hash_of(&secret), Login { token: hash, caller: caller.name.clone(), until });
        let cookie = cookie(settings, &secret, LIFETIME.as_secs());
        let cookie = HeaderValue::from_str(&cookie).map_err(|_| NoViewer::Nobody(Reason::WrongToken))?;
        Ok((caller, cookie))
    }

    /// Ends the login of these headers; the value of the header that removes the cookie.
    pub(super) fn leave(&self, settings: &Settings, headers: &HeaderMap) -> Option<HeaderValue> {
        for secret in secrets(settings, headers) {
            self.all().remove(&hash_of(secret));
        }
        HeaderValue::from_str(&cookie(settings, "", 0)).ok()
    }

    /// Who sends a request with these headers from `peer`.
    pub(super) fn viewer(
        &self,
        settings: &Settings,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        now: Timestamp,
        redactor: &Redactor,
    ) -> Result<Viewer, NoViewer> {
        if let Some(person) = signed_in(settings, headers, peer) {
            let name: String = person.chars().take(LONGEST_NAME).collect();
            return Ok(Viewer { name: Some(redactor.redact(&name).into_owned()), by_form: false });
        }
        if settings.anonymous.is_some() {
            return Ok(Viewer { name: None, by_form: false });
        }
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        if let Some(first) = sent.next() {
            let token = first.to_str().ok().and_then(bearer).filter(|_| sent.next().is_none());
            let token = token.ok_or(NoViewer::Nobody(Reason::WrongToken))?;
            let caller = reader_of(settings, &hash_of(token), now)?;
            return Ok(Viewer { name: Some(caller.name.clone()), by_form: false });
        }
        let mut last = NoViewer::Nobody(Reason::NoToken);
        for secret in secrets(settings, headers) {
            let key = hash_of(secret);
            let login = self.all().get(&key).map(|login| (login.token, login.until));
            let Some((token, until)) = login else { continue };
            if until <= now {
                self.all().remove(&key);
                continue;
            }
            match reader_of(settings, &token, now) {
                Ok(caller) => return Ok(Viewer { name: Some(caller.name.clone()), by_form: true }),
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

fn cookie(settings: &Settings, secret: &str, seconds: i64) -> String {
    let secure = if settings.public_url.is_some() { "; Secure" } else { "" };
    let name = cookie_name(settings);
    format!("{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// The secrets in the cookies of our name.
fn secrets<'a>(settings: &Settings, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    let name = cookie_name(settings);
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(found, _)| *found == name).map(|(_, secret)| secret).take(4)
}

/// The person whom the proxy names.
fn signed_in<'a>(settings: &Settings, headers: &'a HeaderMap, peer: Option<IpAddr>) -> Option<&'a str> {
    let sign_in = settings.sign_in.as_ref()?;
    let peer = peer?.to_canonical();
    if !sign_in.proxies.iter().any(|proxy| proxy.to_canonical() == peer) {
        return None;
    }
    let mut named = headers.get_all(&sign_in.header).iter();
    let name = named.next()?.to_str().ok()?.trim();
    // Two names are none: one of them came past the proxy.
    (named.next().is_none() && !name.is_empty()).then_some(name)
}

/// The caller whose token has this hash, who may read.
fn reader_of(settings: &Settings, hash: &[u8; 32], now: Timestamp) -> Result<Arc<Caller>, NoViewer> {
    let caller = caller_of(settings, hash, now).map_err(|why| {
        NoViewer::Nobody(match why {
            NoCaller::Unknown => Reason::WrongToken,
            NoCaller::Expired(_) => Reason::ExpiredToken,
        })
    })?;
    if caller.may(AccessScope::Read) { Ok(caller) } else { Err(NoViewer::Narrow(caller.name.clone())) }
}

/// Our own page that a login leads to; everything else leads to the overview.
pub(super) fn next_page(wanted: &str) -> &str {
    let is_own = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && wanted.len() <= 300
        && wanted.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if is_own { wanted } else { "/" }
}
