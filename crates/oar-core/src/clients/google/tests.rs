use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use serde_json::json;
use tempfile::TempDir;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{count, ok};
use crate::error::{Classified, ErrorClass};
use crate::files::testing::make_fifo;
use crate::http::HttpSettings;
use crate::http::tests::support::{NOW, stack};

const ACCOUNT: &str = "reports@oar.example.test";

fn private_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn key_file(private_key: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": "oar",
        "private_key_id": "k1",
        "private_key": private_key,
        "client_email": ACCOUNT,
        "token_uri": "https://token.example.test/token",
    })
}

struct Place {
    server: MockServer,
    folder: TempDir,
}

impl Place {
    async fn new(key: &Value) -> Self {
        let place = Self { server: MockServer::start().await, folder: TempDir::new().unwrap() };
        std::fs::write(place.path(), key.to_string()).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("key.json")
    }

    fn account(&self) -> ServiceAccount {
        let settings = HttpSettings { retry_delay: Duration::from_millis(1), ..HttpSettings::default() };
        let base = format!("{}/oauth", self.server.uri()).parse().unwrap();
        let file = KeyFile { path: self.path(), variable: "GCP_SA_FILE" };
        ServiceAccount::new(stack(settings).0, base, file, Scope::Spreadsheets)
    }

    fn call(&self) -> Call {
        Call::get(Service::GoogleSheets, "read", format!("{}/sheet", self.server.uri()).parse().unwrap())
    }

    async fn answer_tokens(&self, answer: ResponseTemplate) {
        Mock::given(method("POST")).and(path("/oauth/token")).respond_with(answer).mount(&self.server).await;
    }

    async fn asked(&self, path: &str) -> Vec<wiremock::Request> {
        let requests = self.server.received_requests().await.unwrap();
        requests.into_iter().filter(|request| request.url.path() == path).collect()
    }
}

fn token(token: &str, seconds: i64) -> ResponseTemplate {
    let body = json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"});
    ok(body)
}

#[tokio::test]
async fn the_statement_is_signed_and_one_token_serves_all_requests() {
    let key = private_key();
    let place = Place::new(&key_file(&pem(&key))).await;
    place.answer_tokens(token("token-1", 3599)).await;
    Mock::given(path("/sheet"))
        .and(header("authorization", "Bearer token-1"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&place.server)
        .await;
    let account = place.account();
    let calls = (0..40).map(|_| account.send(place.call()));
    for reply in futures::future::join_all(calls).await {
        assert_eq!(reply.unwrap().status, 200);
    }

    let asked = place.asked("/oauth/token").await;
    assert_eq!(asked.len(), 1);
    let form: std::collections::HashMap<_, _> = form_urlencoded::parse(&asked[0].body).collect();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let parts: Vec<&str> = form["assertion"].split('.').collect();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let parse = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    assert_eq!(parse(parts[0]), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let now: Timestamp = NOW.parse().unwrap();
    assert_eq!(
        parse(parts[1]),
        json!({
            "iss": ACCOUNT,
            "scope": "https://www.googleapis.com/auth/spreadsheets",
            "aud": "https://token.example.test/token",
            "iat": now.as_second(),
            "exp": now.as_second() + 600,
        })
    );
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    verifier.update(format!("{}.{}", parts[0], parts[1]).as_bytes()).unwrap();
    assert!(verifier.verify(&decode(parts[2])).unwrap());
}

#[tokio::test]
async fn a_token_that_ends_soon_or_is_refused_is_replaced() {
    let place = Place::new(&key_file(&pem(&private_key()))).await;
    place.answer_tokens(token("short", 60)).await;
    Mock::given(path("/sheet")).respond_with(ResponseTemplate::new(200)).mount(&place.server).await;
    let account = place.account();
    for _ in 0..2 {
        account.send(place.call()).await.unwrap();
    }
    assert_eq!(place.asked("/oauth/token").await.len(), 2);

    place.server.reset().await;
    place.answer_tokens(token("long", 3599)).await;
    Mock::given(path("/sheet")).respond_with(ResponseTemplate::new(401)).mount(&place.server).await;
    assert_eq!(account.send(place.call()).await.unwrap().status, 401);
    assert_eq!((place.asked("/oauth/token").await.len(), place.asked("/sheet").await.len()), (2, 2));
}

#[tokio::test]
async fn a_lifetime_has_many_spellings_and_a_token_is_one() {
    let key = private_key();
    for (answer, fetched) in [
        (json!({"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}), 1),
        (json!({"access_token": "t", "expires_in": "3599"}), 1),
        (json!({"access_token": "t", "expires_in": " 60 "}), 2),
        (json!({"access_token": "t"}), 1),
        (json!({"access_token": "t", "expires_in": null, "id_token": "", "scope": null}), 1),
        (json!({"access_token": "t", "expires_in": 0}), 1),
        (json!({"access_token": "t", "expires_in": ""}), 1),
        (json!({"access_token": "t", "expires_in": -1}), 1),
    ] {
        let place = Place::new(&key_file(&pem(&key))).await;
        place.answer_tokens(ok(&answer)).await;
        Mock::given(path("/sheet")).respond_with(ResponseTemplate::new(200)).mount(&place.server).await;
        let account = place.account();
        for _ in 0..2 {
            assert_eq!(account.send(place.call()).await.unwrap().status, 200, "{answer}");
        }
        assert_eq!(place.asked("/oauth/token").await.len(), fetched, "{answer}");
    }
    for answer in [
        json!({"access_token": "t", "expires_in": "soon"}),
        json!({"access_token": "t", "expires_in": [7]}),
        json!({"access_token": ["t"], "expires_in": 3599}),
        json!({"access_token": "", "expires_in": 3599}),
        json!({"access_token": null, "expires_in": 3599}),
        json!({"expires_in": 3599, "id_token": "t"}),
        json!([]),
    ] {
        let place = Place::new(&key_file(&pem(&key))).await;
        place.answer_tokens(ok(&answer)).await;
        let error = place.account().send(place.call()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{answer}");
        assert_eq!(place.asked("/sheet").await.len(), 0, "no request goes out without a token");
    }
    for (body, words) in [
        (json!({"error": "invalid_grant", "error_description": ""}), "invalid_grant"),
        (json!({"error": "invalid_grant", "error_description": null}), "invalid_grant"),
        (json!({"error": "", "error_description": "Bad Request"}), "Bad Request"),
    ] {
        let place = Place::new(&key_file(&pem(&key))).await;
        place.answer_tokens(ResponseTemplate::new(400).set_body_json(&body)).await;
        let error = place.account().send(place.call()).await.unwrap_err();
        assert!(error.detail.contains(words) && !error.detail.ends_with(": "), "{body}: {}", error.detail);
    }
}

#[tokio::test]
async fn a_wrong_key_file_is_named_without_its_contents() {
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ";
    let good = key_file(&format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"));
    let without = |name: &str| {
        let mut key = good.clone();
        key.as_object_mut().unwrap().shift_remove(name);
        key.to_string()
    };
    let with = |name: &str, value: &str| {
        let mut key = good.clone();
        key[name] = json!(value);
        key.to_string()
    };
    let place = Place::new(&good).await;
    for (text, words) in [
        (good.to_string(), "its `private_key` is not an RSA key in PEM form"),
        (with("private_key", secret), "its `private_key` is not an RSA key in PEM form"),
        (without("client_email"), "it has no `client_email`"),
        (with("private_key_id", " "), "it has no `private_key_id`"),
        (with("token_uri", "token"), "its `token_uri` is not a URL"),
        (with("type", "authorized_user"), "its `type` is not `service_account`"),
        (without("type"), "it has no `type`"),
        (format!("{secret}\n{secret}"), "it is not JSON (line 1, column 1)"),
        (" ".repeat(70_000), "it is larger than 65536 bytes"),
    ] {
        std::fs::write(place.path(), text).unwrap();
        let error = place.account().send(place.call()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(words) && shown.contains("key.json"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains(secret), "{shown}");
        assert!(error.hint().unwrap().starts_with("GCP_SA_FILE names"), "{:?}", error.hint());
    }
    std::fs::remove_file(place.path()).unwrap();
    let error = place.account().send(place.call()).await.unwrap_err();
    assert!(error.to_string().contains("key.json: it cannot be read: No such file"), "{error}");
    make_fifo(&place.path());
    let error = place.account().send(place.call()).await.unwrap_err();
    assert!(error.to_string().contains("key.json: it is not a regular file"), "{error}");
    assert_eq!(count(&place.server).await, 0);
}

#[tokio::test]
async fn a_refusal_of_the_token_service_is_ours_to_mend() {
    for (error, description, hint) in [
        ("invalid_grant", "Invalid JWT Signature.", "put a new key"),
        ("invalid_grant", "Invalid JWT: Check your iat and exp values.", "clock"),
        ("invalid_scope", "Invalid OAuth scope.", "administrators"),
    ] {
        let place = Place::new(&key_file(&pem(&private_key()))).await;
        let body = json!({"error": error, "error_description": description});
        place.answer_tokens(ResponseTemplate::new(400).set_body_json(body)).await;
        let refused = place.account().send(place.call()).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Configuration);
        assert_eq!(
            refused.to_string(),
            format!("Google sign-in: cannot sign in: credential refused (HTTP 400): {error}: {description}")
        );
        assert!(refused.hint().unwrap().contains(hint), "{:?}", refused.hint());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_not_shown() {
    let place = Place::new(&key_file(&pem(&private_key()))).await;
    let body = json!({"access_token": "ya29.secret-secret", "expires_in": "soon"});
    place.answer_tokens(ok(body)).await;
    let error = place.account().send(place.call()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}
