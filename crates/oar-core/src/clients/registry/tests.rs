use std::io::Write as _;

use serde_json::json;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, http, ok};

const SPEC: &str = "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64";
const MANIFEST: &str = "/registry/v2/openshift-release-dev/ocp-release/manifests/4.19.1-x86_64";
const BLOBS: &str = "/registry/v2/openshift-release-dev/ocp-release/blobs";

fn client(server: &MockServer) -> RegistryClient {
    RegistryClient::new(http(2), Some(base(server, "/registry")))
}

fn spec() -> PullSpec {
    SPEC.parse().unwrap()
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

#[tokio::test]
async fn a_blob_that_lies_elsewhere_is_fetched_without_the_token() {
    let server = MockServer::start().await;
    let store = MockServer::start().await;
    let layer = metadata("4.19.1", None);
    let digest = Digest::of(&layer);
    let manifest = json!({"layers": [{"digest": digest.as_str(), "size": layer.len()}]}).to_string();
    give(&server, MANIFEST, manifest.into_bytes()).await;
    Mock::given(path(format!("{BLOBS}/{digest}")))
        .respond_with(
            ResponseTemplate::new(307)
                .insert_header("location", format!("{}/there?sign=1", store.uri()).as_str()),
        )
        .mount(&server)
        .await;
    give(&store, "/there", layer).await;
    let registry = client(&server);
    registry.tokens.put("quay.io/openshift-release-dev/ocp-release", SecretString::from("planted-token"));
    assert_eq!(registry.release_metadata(&spec()).await.unwrap().version, "4.19.1");
    let requests = store.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")));
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
