//! Logins, streams and addresses, without a server.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderName};
use oar_core::redact::Redactor;

use super::login::{Logins, NoViewer, Viewer, next_page};
use super::*;
use crate::settings::ServerOptions;
use crate::settings::tests::{configured, local_options};

fn now(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOON: &str = "2026-07-02T12:00:00Z";

fn settings(options: &ServerOptions) -> Settings {
    let mut old = configured("old", "token-old", &["release:read"]);
    old.expires = Some("2026-07-02".parse().unwrap());
    let callers = [
        configured("reader", "token-reader", &["release:read"]),
        configured("runner", "token-runner", &["jobs:run"]),
        old,
    ];
    Settings::new(options, &callers, |_| true).unwrap()
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn viewer(
    logins: &Logins,
    settings: &Settings,
    pairs: &[(HeaderName, &str)],
    at: &str,
) -> Result<Option<String>, NoViewer> {
    let peer = Some(IpAddr::from([10, 1, 2, 3]));
    let viewer = logins.viewer(settings, &headers(pairs), peer, now(at), &Redactor::default());
    viewer.map(|Viewer { name, .. }| name)
}

/// The cookie as a browser sends it back.
fn pair(cookie: &HeaderValue) -> String {
    cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn a_login_is_its_token_s_until_it_ends_or_the_token_does() {
    let (settings, logins) = (settings(&local_options()), Logins::default());
    let (caller, cookie) = logins.enter(&settings, " token-reader ", now(NOON)).unwrap();
    assert_eq!(caller.name, "reader");
    let text = cookie.to_str().unwrap();
    assert!(text.ends_with("; HttpOnly; SameSite=Strict") && !text.contains("token-reader"), "{text}");
    let sent = pair(&cookie);
    let found = |at: &str| viewer(&logins, &settings, &[(COOKIE, &format!("a=b; {sent}"))], at);
    assert_eq!(found(NOON), Ok(Some("reader".to_owned())));
    assert_eq!(found("2026-07-02T23:59:59Z"), Ok(Some("reader".to_owned())));
    assert_eq!(found("2026-07-03T00:00:01Z"), Err(NoViewer::Nobody(Reason::NoToken)));
    let (_, cookie) = logins.enter(&settings, "token-old", now("2026-07-02T23:00:00Z")).unwrap();
    let sent = pair(&cookie);
    let found = |at: &str| viewer(&logins, &settings, &[(COOKIE, &sent)], at);
    assert_eq!(found("2026-07-02T23:30:00Z"), Ok(Some("old".to_owned())));
    assert_eq!(found("2026-07-03T00:30:00Z"), Err(NoViewer::Nobody(Reason::ExpiredToken)));
    let _ = logins.leave(&settings, &headers(&[(COOKIE, &sent)]));
    assert_eq!(found("2026-07-02T23:30:00Z"), Err(NoViewer::Nobody(Reason::NoToken)));
}

#[test]
fn other_tokens_and_cookies_are_nobody_s() {
    let (settings, logins) = (settings(&local_options()), Logins::default());
    for token in ["", "token-other", &"x".repeat(5000)] {
        let refused = logins.enter(&settings, token, now(NOON)).unwrap_err();
        assert_eq!(refused, NoViewer::Nobody(Reason::WrongToken));
    }
    let narrow = NoViewer::Narrow("runner".to_owned());
    assert_eq!(logins.enter(&settings, "token-runner", now(NOON)).unwrap_err(), narrow);
    let found = |pairs: &[(HeaderName, &str)]| viewer(&logins, &settings, pairs, NOON);
    assert_eq!(found(&[(AUTHORIZATION, "Bearer token-runner")]), Err(narrow));
    assert_eq!(found(&[(AUTHORIZATION, "Bearer token-reader")]), Ok(Some("reader".to_owned())));
    assert_eq!(found(&[(AUTHORIZATION, "Bearer no")]), Err(NoViewer::Nobody(Reason::WrongToken)));
    assert_eq!(found(&[]), Err(NoViewer::Nobody(Reason::NoToken)));
    for cookie in ["release-tests-dashboard=", "release-tests-dashboard=x", "release-tests-dashboard"] {
        assert_eq!(found(&[(COOKIE, cookie)]), Err(NoViewer::Nobody(Reason::NoToken)), "{cookie}");
    }
}

#[test]
fn logins_are_bounded_and_the_oldest_gives_way() {
    let (settings, logins) = (settings(&local_options()), Logins::default());
    let first = pair(&logins.enter(&settings, "token-reader", now(NOON)).unwrap().1);
    let mut last = String::new();
    for second in 1..=100 {
        let at = now(NOON) + jiff::SignedDuration::from_secs(second);
        last = pair(&logins.enter(&settings, "token-reader", at).unwrap().1);
    }
    let found = |cookie: &str| viewer(&logins, &settings, &[(COOKIE, cookie)], NOON);
    assert_eq!(found(&first), Err(NoViewer::Nobody(Reason::NoToken)));
    assert_eq!(found(&last), Ok(Some("reader".to_owned())));
}

#[test]
fn behind_tls_the_cookie_is_for_tls_alone() {
    let url = Url::parse("https://mcp.example.com").unwrap();
    let settings = settings(&ServerOptions { public_url: Some(url), ..local_options() });
    let (_, cookie) = Logins::default().enter(&settings, "token-reader", now(NOON)).unwrap();
    let text = cookie.to_str().unwrap();
    assert!(
        text.starts_with("__Host-") && text.ends_with("; Secure") && text.contains("; Path=/;"),
        "{text}"
    );
}

#[test]
fn a_proxy_s_word_counts_from_its_address_alone() {
    let options = |proxy: &str| ServerOptions {
        user_header: Some("X-Forwarded-User".to_owned()),
        trusted_proxies: vec![proxy.parse().unwrap()],
        ..local_options()
    };
    let name = HeaderName::from_static("x-forwarded-user");
    let logins = Logins::default();
    let found = |proxy: &str, values: &[&str]| {
        let pairs: Vec<(HeaderName, &str)> = values.iter().map(|value| (name.clone(), *value)).collect();
        viewer(&logins, &settings(&options(proxy)), &pairs, NOON)
    };
    assert_eq!(found("10.1.2.3", &["ann"]), Ok(Some("ann".to_owned())));
    assert_eq!(found("::ffff:10.1.2.3", &["ann"]), Ok(Some("ann".to_owned())));
    let nobody = Err(NoViewer::Nobody(Reason::NoToken));
    assert_eq!(found("10.1.2.4", &["ann"]), nobody);
    assert_eq!(found("10.1.2.3", &["ann", "bob"]), nobody);
    assert_eq!(found("10.1.2.3", &[" "]), nobody);
    assert_eq!(found("10.1.2.3", &[]), nobody);
    for bad in [
        ServerOptions { user_header: Some("X-User".to_owned()), ..local_options() },
        ServerOptions { trusted_proxies: vec!["10.1.2.3".parse().unwrap()], ..local_options() },
        ServerOptions { user_header: Some("Cookie".to_owned()), ..options("10.1.2.3") },
        ServerOptions { user_header: Some("a b".to_owned()), ..options("10.1.2.3") },
    ] {
        assert!(Settings::new(&bad, &[], |_| true).is_err(), "{bad:?}");
    }
}

#[test]
fn a_login_leads_to_our_own_pages_alone() {
    for own in ["/", "/releases/4.19.1", "/?y=4.19&state=blocked"] {
        assert_eq!(next_page(own), own);
    }
    let long = format!("/{}", "x".repeat(400));
    for other in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "/ü", &long] {
        assert_eq!(next_page(other), "/", "{other}");
    }
}

#[test]
fn a_form_of_another_site_is_refused() {
    let settings = settings(&local_options());
    let host: Authority = "127.0.0.1:8000".parse().unwrap();
    let own = |pairs: &[(HeaderName, &str)]| is_own_origin(&settings, &headers(pairs), &host);
    let site = HeaderName::from_static("sec-fetch-site");
    assert!(own(&[]) && own(&[(ORIGIN, "http://127.0.0.1:8000")]) && own(&[(site.clone(), "same-origin")]));
    for origin in ["null", "http://evil.example", "http://127.0.0.1:8001", "http://127.0.0.1", ""] {
        assert!(!own(&[(ORIGIN, origin)]), "{origin}");
    }
    assert!(!own(&[(site, "cross-site")]));
}

#[test]
fn what_is_damaged_is_there_and_cannot_be_read() {
    use oar_core::error::ErrorClass;
    use oar_core::flow::outcome::Refusal;

    use super::text::Shower;

    let shower = Shower::new(Redactor::default(), now(NOON));
    for (class, status) in [
        (ErrorClass::Usage, StatusCode::NOT_FOUND),
        (ErrorClass::Failed, StatusCode::BAD_GATEWAY),
        (ErrorClass::Unavailable, StatusCode::BAD_GATEWAY),
    ] {
        let failure = pages::broken(&Refusal::new(class, "no"), &shower);
        assert_eq!((failure.status, failure.retry.is_some()), (status, status == StatusCode::BAD_GATEWAY));
    }
}

#[tokio::test]
async fn a_look_in_vain_is_soon_over_and_versions_are_above_those_of_a_process_before() {
    use std::time::Duration;

    use crate::documents::tests::World;

    // Of what cannot be read.
    let world = World::with_state(tempfile::tempdir().unwrap(), "github");
    let content = Content::new(world.documents.clone(), Duration::from_secs(20));
    let board = Board::new(content, CancellationToken::new());
    let began = board.clock().now().as_millisecond();
    assert!(i64::try_from(board.seen().version).unwrap() >= began && began > 0);
    for wants in [Wants::Releases, Wants::Builds] {
        let seen = board.fresh(wants, Duration::from_secs(30)).await;
        let (tried, problem, looked) = match wants {
            Wants::Releases => (seen.tried, &seen.problem, seen.looked),
            Wants::Builds => (seen.builds.tried, &seen.builds.problem, seen.builds.looked),
        };
        assert!(tried.is_some() && problem.is_some() && looked.is_none(), "{seen:?}");
    }
}
