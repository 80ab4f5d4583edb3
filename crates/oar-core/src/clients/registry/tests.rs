use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path, path_regex, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::release::LAYER_LIMIT;
use super::*;
use crate::clients::testing::{base, http, ok};
use crate::clock::{Clock, ClockSource};
use crate::error::{Classified as _, ErrorClass};
use crate::http::HttpSettings;
use crate::http::tests::support::stack;
use crate::redact::Redactor;

const SPEC: &str = "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64";
const MANIFEST: &str = "/registry/v2/openshift-release-dev/ocp-release/manifests/4.19.1-x86_64";
const BLOBS: &str = "/registry/v2/openshift-release-dev/ocp-release/blobs";

fn client(server: &MockServer) -> RegistryClient {
    RegistryClient::new(http(2), Some(base(server, "/registry")))
}

fn spec() -> PullSpec {
    SPEC.parse().unwrap()
}

/// `count` looks at the same time.
async fn look_at_once(registry: &RegistryClient, count: usize) -> Vec<Result<Digest, ServiceError>> {
    let specs = vec![spec(); count];
    futures::future::join_all(specs.iter().map(|spec| registry.digest(spec))).await
}

fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&builder.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap()
}

fn metadata(version: &str, url: Option<&str>) -> Vec<u8> {
    let metadata = url.map(|url| json!({"url": url})).unwrap_or(json!({}));
    layer(
        payload::RELEASE_METADATA,
        json!({"kind": "cincinnati-metadata-v0", "version": version, "previous": [], "metadata": metadata})
            .to_string()
            .as_bytes(),
    )
}

async fn give(server: &MockServer, place: &str, body: Vec<u8>) {
    Mock::given(method("GET"))
        .and(path(place))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(body))
        .mount(server)
        .await;
}

/// Serves layers and a manifest that names them; returns its digest.
async fn serve(server: &MockServer, layers: &[Vec<u8>]) -> Digest {
    let mut descriptors = Vec::new();
    for layer in layers {
        let digest = Digest::of(layer);
        give(server, &format!("{BLOBS}/{digest}"), layer.clone()).await;
        descriptors.push(json!({
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "digest": digest.as_str(), "size": layer.len(),
        }));
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "c", "digest": Digest::of(b"{}").as_str(), "size": 2}, "layers": descriptors,
    })
    .to_string();
    let digest = Digest::of(manifest.as_bytes());
    give(server, MANIFEST, manifest.into_bytes()).await;
    digest
}

#[test]
fn pull_specs_are_strict() {
    let spec = spec();
    assert_eq!((spec.registry(), spec.repository()), ("quay.io", "openshift-release-dev/ocp-release"));
    assert_eq!(spec.to_string(), SPEC);
    let digest = Digest::of(b"x");
    let exact: PullSpec = format!("localhost:5000/a/b@{digest}").parse().unwrap();
    assert_eq!(exact.reference(), &Reference::Digest(digest.clone()));
    assert_eq!(exact.to_string(), format!("localhost:5000/a/b@{digest}"));
    for bad in [
        "",
        "quay.io",
        "ocp-release:4.19.1",
        "quay.io/a/b",
        "quay.io/a//b:t",
        "quay.io/a/../b:t",
        "quay.io/a/b:",
        "quay.io/a/b:-t",
        "quay.io/A/b:t",
        "quay.io/a/b@sha256:12",
        "user@quay.io/a:t",
        "quay.io/a/b:t?x=1",
    ] {
        assert!(bad.parse::<PullSpec>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_sent_with_every_request() {
    let server = MockServer::start().await;
    let url = "https://access.redhat.com/errata/RHSA-2026:1900";
    let layer = metadata("4.19.1", Some(url));
    let realm = format!("{}/token", server.uri());
    Mock::given(method("GET"))
        .and(path("/token"))
        .and(query_param("service", "registry.example.test"))
        .and(query_param("scope", "repository:openshift-release-dev/ocp-release:pull"))
        .respond_with(ok(json!({"token": "anonymous-token"})))
        .expect(1)
        .mount(&server)
        .await;
    let digest = Digest::of(&layer);
    let manifest = json!({"schemaVersion": 2, "layers": [{"digest": digest.as_str(), "size": layer.len()}]});
    for (place, body) in
        [(MANIFEST.to_owned(), manifest.to_string().into_bytes()), (format!("{BLOBS}/{digest}"), layer)]
    {
        Mock::given(method("GET"))
            .and(path(place))
            .and(header("authorization", "Bearer anonymous-token"))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(body))
            .expect(1)
            .mount(&server)
            .await;
    }
    let challenge = format!(
        "Bearer realm=\"{realm}\",service=\"registry.example.test\",scope=\"repository:openshift-release-dev/ocp-release:pull\""
    );
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(401).insert_header("www-authenticate", challenge.as_str()))
        .with_priority(9)
        .expect(1)
        .mount(&server)
        .await;
    let found = client(&server).release_metadata(&spec()).await.unwrap();
    assert_eq!((found.version.as_str(), found.url.as_deref()), ("4.19.1", Some(url)));
}

#[tokio::test]
async fn the_topmost_layer_with_metadata_decides() {
    let server = MockServer::start().await;
    let layers =
        [metadata("4.19.0", None), metadata("4.19.1", None), layer("usr/bin/cluster-version-operator", b"x")];
    let digest = serve(&server, &layers).await;
    let found = client(&server).release_metadata(&spec()).await.unwrap();
    assert_eq!(found, ReleaseMetadata { digest: digest.clone(), version: "4.19.1".into(), url: None });
    assert_eq!(client(&server).digest(&spec()).await.unwrap(), digest);
}

#[tokio::test]
async fn of_a_list_the_image_for_the_architecture_is_read() {
    let server = MockServer::start().await;
    let layer = metadata("4.19.1", None);
    let image =
        json!({"schemaVersion": 2, "layers": [{"digest": Digest::of(&layer).as_str(), "size": layer.len()}]})
            .to_string();
    let entry = |architecture: &str, digest: &Digest| json!({"digest": digest.as_str(), "size": 1, "platform": {"architecture": architecture, "os": "linux"}});
    let list = json!({"manifests": [entry("arm64", &Digest::of(b"other")), entry("amd64", &Digest::of(image.as_bytes()))]}).to_string();
    let (inner, outer) = (Digest::of(image.as_bytes()), Digest::of(list.as_bytes()));
    give(&server, MANIFEST, list.into_bytes()).await;
    give(&server, &MANIFEST.replace("4.19.1-x86_64", inner.as_str()), image.into_bytes()).await;
    give(&server, &format!("{BLOBS}/{}", Digest::of(&layer)), layer).await;
    let found = client(&server).image(&spec(), "amd64").await.unwrap();
    assert_eq!((found.digest, found.manifest), (outer.clone(), inner));
    assert_eq!(client(&server).release_metadata(&spec()).await.unwrap().digest, outer);
    let error = client(&server).image(&spec(), "s390x").await.unwrap_err();
    assert!(error.to_string().contains("no image for s390x"), "{error}");
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let server = MockServer::start().await;
    let layer = metadata("4.19.1", None);
    let wrong = Digest::of(b"something else");
    let manifest = json!({"layers": [{"digest": wrong.as_str(), "size": layer.len()}]}).to_string();
    give(&server, MANIFEST, manifest.into_bytes()).await;
    give(&server, &format!("{BLOBS}/{wrong}"), layer).await;
    let error = client(&server).release_metadata(&spec()).await.unwrap_err();
    assert!(error.to_string().contains("another digest"), "{error}");
    let exact = spec().at(Digest::of(b"asked for"));
    give(
        &server,
        &MANIFEST.replace("4.19.1-x86_64", Digest::of(b"asked for").as_str()),
        b"{\"layers\":[]}".to_vec(),
    )
    .await;
    let error = client(&server).digest(&exact).await.unwrap_err();
    assert!(error.to_string().contains("the manifest has the digest"), "{error}");
}

/// The registry wants a token from its own token service, and takes no other.
async fn want_token(server: &MockServer, token: &str) {
    let challenge = format!("Bearer realm=\"{}/token\",service=\"registry.example.test\"", server.uri());
    Mock::given(method("GET"))
        .and(path_regex("^/registry/"))
        .and(NoHeader("authorization", format!("Bearer {token}")))
        .respond_with(ResponseTemplate::new(401).insert_header("www-authenticate", challenge.as_str()))
        .with_priority(1)
        .mount(server)
        .await;
}

/// Matches requests that have not this value in this header.
struct NoHeader(&'static str, String);

impl wiremock::Match for NoHeader {
    fn matches(&self, request: &wiremock::Request) -> bool {
        request.headers.get(self.0).is_none_or(|value| value.as_bytes() != self.1.as_bytes())
    }
}

/// A client with one login for the registry at `server`, as podman writes it.
fn signed_in(server: &MockServer, entry: &serde_json::Value) -> (RegistryClient, tempfile::TempDir) {
    signed_in_at(server, &server.uri().replace("http://", ""), entry)
}

fn signed_in_at(
    server: &MockServer,
    registry: &str,
    entry: &serde_json::Value,
) -> (RegistryClient, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.json");
    std::fs::write(&file, json!({"auths": {registry: entry}}).to_string()).unwrap();
    (client(server).with_logins(vec![file]), folder)
}

fn account() -> serde_json::Value {
    json!({"auth": STANDARD.encode("puller:planted-password")})
}

#[tokio::test]
async fn a_blob_that_lies_elsewhere_is_fetched_without_the_token() {
    let server = MockServer::start().await;
    let store = MockServer::start().await;
    let layer = metadata("4.19.1", None);
    let digest = Digest::of(&layer);
    let manifest = json!({"layers": [{"digest": digest.as_str(), "size": layer.len()}]}).to_string();
    want_token(&server, "planted-token").await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "planted-token"}))).mount(&server).await;
    give(&server, MANIFEST, manifest.into_bytes()).await;
    Mock::given(path(format!("{BLOBS}/{digest}")))
        .respond_with(
            ResponseTemplate::new(307)
                .insert_header("location", format!("{}/there?sign=1", store.uri()).as_str()),
        )
        .mount(&server)
        .await;
    give(&store, "/there", layer).await;
    assert_eq!(client(&server).release_metadata(&spec()).await.unwrap().version, "4.19.1");
    let requests = store.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn an_account_signs_in_at_the_token_service_and_nowhere_else() {
    let server = MockServer::start().await;
    want_token(&server, "account-token").await;
    Mock::given(path("/token"))
        .and(header(
            "authorization",
            format!("Basic {}", STANDARD.encode("puller:planted-password")).as_str(),
        ))
        .respond_with(ok(json!({"access_token": "account-token"})))
        .expect(1)
        .mount(&server)
        .await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let (registry, _folder) = signed_in(&server, &account());
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest);
    // The login of the registry that another one replaces stays at home.
    let (replaced, _folder) = signed_in_at(&server, "quay.io", &account());
    assert!(replaced.digest(&spec()).await.is_err());
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_a_form() {
    let server = MockServer::start().await;
    want_token(&server, "account-token").await;
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains("grant_type=refresh_token"))
        .and(body_string_contains("service=registry.example.test"))
        .and(body_string_contains("refresh_token=planted-identity"))
        .respond_with(ok(json!({"access_token": "account-token"})))
        .expect(1)
        .mount(&server)
        .await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let (registry, _folder) = signed_in(&server, &json!({"identitytoken": "planted-identity"}));
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest);
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| !request.url.as_str().contains("planted-identity")));
}

#[tokio::test]
async fn a_registry_without_a_token_service_gets_the_account_itself() {
    let server = MockServer::start().await;
    let proof = format!("Basic {}", STANDARD.encode("puller:planted-password"));
    Mock::given(NoHeader("authorization", proof))
        .respond_with(
            ResponseTemplate::new(401).insert_header("www-authenticate", "Basic realm=\"registry\""),
        )
        .with_priority(1)
        .mount(&server)
        .await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let (registry, _folder) = signed_in(&server, &account());
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest);
    let error = client(&server).digest(&spec()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unauthorized);
    assert!(error.hint().unwrap().contains("podman login quay.io"), "{error}");
}

#[tokio::test]
async fn a_refused_login_is_asked_with_once_and_never_shown() {
    let server = MockServer::start().await;
    want_token(&server, "never").await;
    // Both the token service and the registry throw back what they got.
    let echo = |text: &str| json!({"errors": [{"code": "DENIED", "message": format!("not with {text}")}]});
    Mock::given(path("/token")).respond_with(ok(json!({"token": "account-token"}))).mount(&server).await;
    let (registry, _folder) = signed_in(&server, &account());
    let looks = look_at_once(&registry, 10).await;
    assert!(
        looks
            .iter()
            .all(|look| look.as_ref().is_err_and(|error| error.kind == ServiceErrorKind::Unauthorized))
    );
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.iter().filter(|request| request.url.path() == "/token").count(), 1);
    server.reset().await;
    want_token(&server, "never").await;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(401).set_body_json(echo("planted-password")))
        .mount(&server)
        .await;
    let (registry, _folder) = signed_in(&server, &account());
    let error = registry.digest(&spec()).await.unwrap_err();
    assert!(
        error.to_string().contains("DENIED: not with") && !error.to_string().contains("planted"),
        "{error}"
    );
    server.reset().await;
    want_token(&server, "planted-token").await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "planted-token"}))).mount(&server).await;
    Mock::given(path(MANIFEST))
        .respond_with(ResponseTemplate::new(403).set_body_json(echo("planted-token and planted-password")))
        .mount(&server)
        .await;
    let (registry, _folder) = signed_in(&server, &account());
    let error = registry.digest(&spec()).await.unwrap_err();
    assert!(
        error.to_string().contains("DENIED: not with") && !error.to_string().contains("planted"),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_is_not_shown_where_an_error_is_cut() {
    // Errors show 300 characters; the secret stands across their end, in JSON and in plain text.
    let filler = "y".repeat(280);
    let json = |secret: &str| {
        json!({"errors": [{"code": "DENIED", "message": format!("{filler} {secret}")}]}).to_string()
    };
    let plain = |secret: &str| format!("DENIED: {filler} {secret}");
    for (refused, granted) in [
        (json("planted-password"), json("planted-token")),
        (plain("planted-password"), plain("planted-token")),
    ] {
        let server = MockServer::start().await;
        want_token(&server, "planted-token").await;
        let answer = ResponseTemplate::new(401).set_body_string(refused);
        Mock::given(path("/token")).respond_with(answer).mount(&server).await;
        let (registry, _folder) = signed_in(&server, &account());
        let error = registry.digest(&spec()).await.unwrap_err().to_string();
        assert!(error.contains("DENIED: yyy") && !error.contains("planted"), "{error}");
        server.reset().await;
        want_token(&server, "planted-token").await;
        Mock::given(path("/token")).respond_with(ok(json!({"token": "planted-token"}))).mount(&server).await;
        let answer = ResponseTemplate::new(403).set_body_string(granted);
        Mock::given(path(MANIFEST)).respond_with(answer).mount(&server).await;
        let (registry, _folder) = signed_in(&server, &account());
        let error = registry.digest(&spec()).await.unwrap_err().to_string();
        assert!(error.contains("DENIED: yyy") && !error.contains("planted"), "{error}");
    }
}

/// A clock that shows as many seconds as it was set to, and never waits.
#[derive(Default)]
struct SetClock(AtomicI64);

impl ClockSource for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> f64 {
        0.0
    }
}

#[tokio::test]
async fn a_token_service_that_fails_is_asked_again_later_and_is_no_refusal() {
    let server = MockServer::start().await;
    want_token(&server, "anonymous-token").await;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(503).set_body_string("down"))
        .mount(&server)
        .await;
    let clock = Arc::new(SetClock::default());
    let settings = HttpSettings { attempts: 2, ..HttpSettings::default() };
    let http = Http::new(settings, Clock::new(clock.clone()), Redactor::default()).unwrap();
    let registry = RegistryClient::new(http, Some(base(&server, "/registry")));
    for look in look_at_once(&registry, 10).await {
        let error = look.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{error}");
        assert!(!error.hint().unwrap().contains("podman login"), "{error}");
    }
    let tokens = server.received_requests().await.unwrap();
    let tokens = tokens.iter().filter(|request| request.url.path() == "/token").count();
    assert_eq!(tokens, 2, "the two attempts of one request, for all ten");
    server.reset().await;
    want_token(&server, "anonymous-token").await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "anonymous-token"}))).mount(&server).await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    clock.0.store(19, Ordering::SeqCst);
    assert!(registry.digest(&spec()).await.is_err());
    clock.0.store(30, Ordering::SeqCst);
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest);
}

#[tokio::test]
async fn a_registry_and_a_token_service_that_ask_for_a_pause_get_it() {
    let server = MockServer::start().await;
    let (http, clock) = stack(HttpSettings::default());
    let pause =
        |seconds: u64| ResponseTemplate::new(429).insert_header("retry-after", seconds.to_string().as_str());
    want_token(&server, "anonymous-token").await;
    Mock::given(path("/token")).respond_with(pause(7)).up_to_n_times(1).with_priority(1).mount(&server).await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "anonymous-token"}))).mount(&server).await;
    Mock::given(path(MANIFEST)).respond_with(pause(9)).up_to_n_times(1).with_priority(2).mount(&server).await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let registry = RegistryClient::new(http, Some(base(&server, "/registry")));
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest);
    assert_eq!(clock.waits(), [Duration::from_secs(7), Duration::from_secs(9)]);
}

#[tokio::test]
async fn a_refusal_by_the_store_of_blobs_is_no_refused_login() {
    for status in [401, 403] {
        let server = MockServer::start().await;
        let store = MockServer::start().await;
        let layer = metadata("4.19.1", None);
        let digest = Digest::of(&layer);
        let manifest = json!({"layers": [{"digest": digest.as_str(), "size": layer.len()}]}).to_string();
        give(&server, MANIFEST, manifest.into_bytes()).await;
        let place = format!("{}/there?sign=1", store.uri());
        Mock::given(path(format!("{BLOBS}/{digest}")))
            .respond_with(ResponseTemplate::new(307).insert_header("location", place.as_str()))
            .mount(&server)
            .await;
        Mock::given(path("/there"))
            .respond_with(ResponseTemplate::new(status).set_body_string("Request has expired"))
            .mount(&store)
            .await;
        let error = client(&server).release_metadata(&spec()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
        let words = "refused by 127.0.0.1, where the registry keeps it: Request has expired";
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.hint().unwrap().contains("podman login"), "{error}");
    }
}

#[tokio::test]
async fn logins_that_cannot_be_read_are_told_where_one_is_missing() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.json");
    std::fs::write(&file, "{").unwrap();
    want_token(&server, "anonymous-token").await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "anonymous-token"}))).mount(&server).await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let registry = client(&server).with_logins(vec![file.clone()]);
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest, "what is public needs no login");
    server.reset().await;
    want_token(&server, "never").await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "anonymous-token"}))).mount(&server).await;
    let error = client(&server).with_logins(vec![file]).digest(&spec()).await.unwrap_err();
    assert!(error.to_string().contains("auth.json: it is not JSON"), "{error}");
}

#[tokio::test]
async fn many_readers_of_one_repository_ask_for_one_token() {
    let server = MockServer::start().await;
    want_token(&server, "anonymous-token").await;
    Mock::given(path("/token"))
        .respond_with(ok(json!({"token": "anonymous-token"})))
        .expect(1)
        .mount(&server)
        .await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let registry = client(&server);
    let looks = look_at_once(&registry, 50).await;
    assert!(looks.iter().all(|look| look.as_ref().is_ok_and(|found| *found == digest)));
    // The challenge, the token, and one request for each look.
    assert_eq!(server.received_requests().await.unwrap().len(), 52);
}

#[tokio::test]
async fn a_token_whose_time_is_over_is_replaced() {
    let server = MockServer::start().await;
    want_token(&server, "first").await;
    Mock::given(path("/token"))
        .respond_with(ok(json!({"token": "first"})))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let digest = serve(&server, &[metadata("4.19.1", None)]).await;
    let registry = client(&server);
    assert_eq!(registry.digest(&spec()).await.unwrap(), digest);
    server.reset().await;
    want_token(&server, "second").await;
    Mock::given(path("/token")).respond_with(ok(json!({"token": "second"}))).expect(1).mount(&server).await;
    serve(&server, &[metadata("4.19.1", None)]).await;
    let looks = look_at_once(&registry, 10).await;
    assert!(looks.iter().all(Result::is_ok));
}

#[tokio::test]
async fn an_image_is_known_by_its_digests_and_its_labels() {
    let server = MockServer::start().await;
    let config =
        json!({"config": {"Labels": {"vcs-ref": "abc", "name": "openshift/demo", "odd": null}}}).to_string();
    let descriptor = json!({"digest": Digest::of(config.as_bytes()).as_str(), "size": config.len()});
    let image = json!({"config": descriptor, "layers": [descriptor]}).to_string();
    let inner = Digest::of(image.as_bytes());
    let entry = |architecture: &str, digest: &Digest| json!({"digest": digest.as_str(), "platform": {"architecture": architecture, "os": "linux"}});
    let list =
        json!({"manifests": [entry("arm64", &Digest::of(b"other")), entry("amd64", &inner)]}).to_string();
    let outer = Digest::of(list.as_bytes());
    give(&server, MANIFEST, list.into_bytes()).await;
    give(&server, &MANIFEST.replace("4.19.1-x86_64", inner.as_str()), image.into_bytes()).await;
    give(&server, &format!("{BLOBS}/{}", Digest::of(config.as_bytes())), config.into_bytes()).await;
    let registry = client(&server);
    let look = registry.look(&spec(), "amd64").await.unwrap();
    assert_eq!((look.list.as_ref(), look.manifests.as_slice()), (Some(&outer), [inner.clone()].as_slice()));
    let labels = registry.labels(&spec(), &look).await.unwrap();
    let found: Vec<(&str, &str)> =
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, [("name", "openshift/demo"), ("vcs-ref", "abc")]);
    let single = spec().at(inner.clone());
    let look = registry.look(&single, "amd64").await.unwrap();
    assert_eq!((look.list.as_ref(), look.manifests.as_slice()), (None, [inner].as_slice()));
    assert_eq!(registry.labels(&single, &look).await.unwrap().len(), 2);
    let error = registry.look(&spec(), "s390x").await.unwrap_err();
    assert!(error.to_string().contains("no image for s390x"), "{error}");
}

#[tokio::test]
async fn what_is_absent_damaged_or_too_large_is_named() {
    let server = MockServer::start().await;
    Mock::given(path(MANIFEST))
        .respond_with(ResponseTemplate::new(404).set_body_json(
            json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {}}]}),
        ))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let error = client(&server).digest(&spec()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::NotFound);
    assert!(error.to_string().contains("MANIFEST_UNKNOWN: manifest unknown"), "{error}");
    let large =
        json!({"layers": [{"digest": Digest::of(b"l").as_str(), "size": LAYER_LIMIT + 1}]}).to_string();
    give(&server, MANIFEST, large.into_bytes()).await;
    let error = client(&server).release_metadata(&spec()).await.unwrap_err();
    assert!(error.to_string().contains("more than the"), "{error}");
    server.reset().await;
    serve(&server, &[layer("etc/hosts", b"x")]).await;
    let error = client(&server).release_metadata(&spec()).await.unwrap_err();
    assert!(error.to_string().contains("it is not a release payload"), "{error}");
}

#[tokio::test]
async fn only_the_registry_itself_can_say_that_an_image_is_gone() {
    let own = json!({"errors": [{"code": "TAG_EXPIRED", "message": "Unknown tag", "detail": {}}]});
    let page = "<html><head><title>Not here</title></head></html>";
    for (answer, kind, words) in [
        (ResponseTemplate::new(404).set_body_json(own), ServiceErrorKind::NotFound, "TAG_EXPIRED"),
        (
            ResponseTemplate::new(404).set_body_string(page),
            ServiceErrorKind::Malformed,
            "HTML page: Not here",
        ),
        (ResponseTemplate::new(404), ServiceErrorKind::Malformed, "not the registry's"),
        (
            ResponseTemplate::new(200).set_body_string(page),
            ServiceErrorKind::Malformed,
            "HTML page: Not here",
        ),
        (ok(json!({})), ServiceErrorKind::Malformed, "neither an image"),
    ] {
        let server = MockServer::start().await;
        Mock::given(path(MANIFEST)).respond_with(answer).mount(&server).await;
        let error = client(&server).digest(&spec()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn members_that_are_nothing_are_read_in_every_spelling() {
    for nothing in [json!(null), json!(""), json!([]), json!({}), json!(0)] {
        let server = MockServer::start().await;
        let layer = metadata("4.19.1", None);
        let digest = Digest::of(&layer);
        give(&server, &format!("{BLOBS}/{digest}"), layer.clone()).await;
        let manifest = json!({
            "mediaType": nothing, "config": nothing, "manifests": nothing,
            "layers": [{"mediaType": nothing, "digest": digest.as_str(), "size": layer.len(),
                        "platform": nothing, "annotations": nothing}],
        });
        give(&server, MANIFEST, manifest.to_string().into_bytes()).await;
        assert_eq!(client(&server).release_metadata(&spec()).await.unwrap().version, "4.19.1", "{nothing}");
    }
}

#[tokio::test]
async fn a_list_names_its_images_and_nothing_for_no_machine() {
    let server = MockServer::start().await;
    let entry = |architecture: &str, name: &str| json!({"digest": Digest::of(name.as_bytes()).as_str(), "platform": {"architecture": architecture, "os": null}});
    let list =
        json!({"manifests": [entry("amd64", "a"), entry("unknown", "attestation"), entry("arm64", "b")]});
    give(&server, MANIFEST, list.to_string().into_bytes()).await;
    let (digest, images) = client(&server).list(&spec()).await.unwrap();
    assert_eq!(digest, Digest::of(list.to_string().as_bytes()));
    let expected = [("amd64".to_owned(), Digest::of(b"a")), ("arm64".to_owned(), Digest::of(b"b"))];
    assert_eq!(images, expected);
    server.reset().await;
    serve(&server, &[layer("etc/hosts", b"x")]).await;
    assert!(client(&server).list(&spec()).await.unwrap_err().to_string().contains("a single image"));
}

#[tokio::test]
async fn signatures_beside_an_image_are_read_and_may_be_absent() {
    let server = MockServer::start().await;
    let image = Digest::of(b"the image");
    let tag = format!("sha256-{}.sig", image.hex());
    let place = MANIFEST.replace("4.19.1-x86_64", &tag);
    let document = b"{\"critical\": {}}".to_vec();
    let signed = json!({
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": document.len(),
        "digest": Digest::of(&document).as_str(), "annotations": {"dev.cosignproject.cosign/signature": "c2lnbmVk"},
    });
    let other = json!({"mediaType": "text/plain", "size": 1, "digest": Digest::of(b"x").as_str()});
    let mut bare = signed.clone();
    bare["annotations"] = json!(null);
    give(&server, &format!("{BLOBS}/{}", Digest::of(&document)), document.clone()).await;
    give(&server, &place, json!({"layers": [other, bare, signed]}).to_string().into_bytes()).await;
    let found = client(&server).attached(&spec(), &image).await.unwrap();
    assert_eq!(found, [AttachedSignature { payload: document.into(), signature: "c2lnbmVk".into() }]);

    server.reset().await;
    let unknown = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
    Mock::given(path(&place))
        .respond_with(ResponseTemplate::new(404).set_body_json(unknown))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    assert!(client(&server).attached(&spec(), &image).await.unwrap().is_empty());
    // Any other answer does not prove that there is none.
    assert!(client(&server).attached(&spec(), &image).await.is_err());
}
