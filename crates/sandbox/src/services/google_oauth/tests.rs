use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use openssl::{hash::MessageDigest, pkey::PKey, rsa::Rsa, sign::Signer};
use serde_json::{Value, json};

use super::*;
use crate::{
    scenario::google::ACCOUNT,
    services::testing::{Answer, call, world},
    world::Shared,
};

const SHEETS: &str = "https://www.googleapis.com/auth/spreadsheets";

fn statement(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signer = Signer::new(MessageDigest::sha256(), &service_key().unwrap().private).unwrap();
    signer.update(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signer.sign_to_vec().unwrap()))
}

fn claims() -> Value {
    let now = Timestamp::now().as_second();
    json!({
        "iss": ACCOUNT, "scope": SHEETS, "aud": "http://127.0.0.1:8765/google-oauth/token",
        "iat": now, "exp": now + 3600,
    })
}

async fn ask(world: &Shared, form: String) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    call(world, "POST", TOKEN_PATH, &headers, form).await
}

async fn exchange(world: &Shared, statement: &str) -> Answer {
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    ask(world, format!("grant_type={grant}&assertion={statement}")).await
}

fn bearer(token: &str) -> HeaderMap {
    [("authorization".parse().unwrap(), format!("Bearer {token}").parse().unwrap())].into_iter().collect()
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_until_it_is_revoked() {
    let world = world();
    let answer = exchange(&world, &statement(&json!({"alg": "RS256"}), &claims())).await.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));
    let headers = bearer(answer["access_token"].as_str().unwrap());
    let authorize = |scope: &str| {
        let outcome = world.google_oauth.lock().authorize(&headers, &[scope]);
        outcome.map(|grant| grant.account).map_err(|response| response.status().as_u16())
    };
    assert_eq!(authorize(SHEETS), Ok(ACCOUNT.to_owned()));
    assert_eq!(authorize("https://www.googleapis.com/auth/devstorage.read_only"), Err(403));
    world.with_service("google-oauth", |service| {
        service.change("revoke-tokens", &json!({}), Timestamp::now())
    });
    assert_eq!(authorize(SHEETS), Err(401));
    let nobody = world.google_oauth.lock().authorize(&HeaderMap::new(), &[SHEETS]);
    assert_eq!(nobody.unwrap_err().status(), 403);
}

#[tokio::test]
async fn statements_that_google_refuses() {
    let world = world();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        statement(&json!({"alg": "RS256", "kid": service_key().unwrap().id}), &claims)
    };
    let now = Timestamp::now().as_second();
    for (statement, error, words) in [
        (with("iss", json!("other@example.test")), "invalid_grant", "account not found"),
        (with("aud", json!("https://example.test/token")), "invalid_grant", "audience check"),
        (with("exp", json!(now - 1)), "invalid_grant", "iat and exp"),
        (with("exp", json!(now + 7200)), "invalid_grant", "iat and exp"),
        (with("iat", json!(now + 1000)), "invalid_grant", "iat and exp"),
        (with("iat", json!("today")), "invalid_grant", "claims"),
        (with("scope", json!("")), "invalid_scope", "OAuth scope"),
        (with("scope", json!(format!("{SHEETS} https://example.test/auth"))), "invalid_scope", "OAuth scope"),
        (statement(&json!({"alg": "RS256", "kid": "other"}), &claims()), "invalid_grant", "Signature"),
        (statement(&json!({"alg": "none"}), &claims()), "invalid_grant", "Signature"),
        ("a.b".to_owned(), "invalid_request", "Bad Request"),
    ] {
        let answer = exchange(&world, &statement).await;
        let body = answer.json();
        assert_eq!((answer.status, body["error"].as_str().unwrap()), (400, error), "{words}");
        assert!(body["error_description"].as_str().unwrap().contains(words), "{body}");
    }
    let good = statement(&json!({"alg": "RS256"}), &claims());
    let (text, _) = good.rsplit_once('.').unwrap();
    let other = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &other).unwrap();
    signer.update(text.as_bytes()).unwrap();
    let forged = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signer.sign_to_vec().unwrap()));
    assert_eq!(exchange(&world, &forged).await.json()["error_description"], "Invalid JWT Signature.");
    for (form, error) in [
        ("grant_type=password&assertion=x", "unsupported_grant_type"),
        ("assertion=x", "invalid_request"),
        ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer", "invalid_request"),
    ] {
        assert_eq!(ask(&world, form.to_owned()).await.json()["error"], error);
    }
    assert_eq!(exchange(&world, &good).await.status, 200);
    world.with_service("google-oauth", |service| service.change("delete-key", &json!({}), Timestamp::now()));
    assert_eq!(exchange(&world, &good).await.json()["error_description"], "Invalid JWT Signature.");
}
