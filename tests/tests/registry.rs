//! The registry client at a real registry, Debian's `docker-registry`, holding a small release payload; and at the
//! sandbox in all its spellings.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oar_core::clients::registry::RegistryClient;
use oar_core::clock::Clock;
use oar_core::error::ServiceErrorKind;
use oar_core::http::{Http, HttpSettings};
use oar_core::ids::PullSpec;
use oar_core::redact::Redactor;
use sandbox::services::registry::{Packing, Payload, Spelling, State};
use sandbox::{Options, Sandbox};
use tempfile::TempDir;

const REPOSITORY: &str = "openshift-release-dev/ocp-release";
const PAGE: &str = "https://access.redhat.com/errata/RHSA-2026:1900";

struct Registry {
    process: Child,
    base: String,
    _folder: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It ends with the test, however that ends.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The account of the registry that wants one, and its line of the file of passwords.
const USER: &str = "demo+puller";
const PASSWORD: &str = "sandbox-registry-password-0000000";
const HTPASSWD: &str = "demo+puller:$2y$05$YNAqYU5sbDbQn1CmA1RMY.89/OBS8DEENtW.4e15cyeVKx5oxrUva\n";

impl Registry {
    async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "").await
    }

    /// One that wants an account for everything.
    async fn start_private() -> Self {
        let folder = TempDir::new().unwrap();
        let passwords = folder.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let wanted = format!("auth:\n  htpasswd:\n    realm: demo\n    path: {}\n", passwords.display());
        Self::start_in(folder, &wanted).await
    }

    async fn start_in(folder: TempDir, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
            folder.path().join("data").display()
        );
        let path = folder.path().join("config.yml");
        std::fs::write(&path, configuration).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry (Debian package docker-registry): {error}"));
        let registry = Self { process, base: format!("http://127.0.0.1:{port}"), _folder: folder };
        let started = Instant::now();
        while reqwest::get(format!("{}/v2/", registry.base)).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the registry does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        registry
    }

    /// Pushes a payload as any client does: its blobs, then its manifest.
    async fn push(&self, payload: &Payload) -> String {
        let mut state = State::default();
        let digest = state.put_payload(payload);
        let client = reqwest::Client::new();
        for (digest, blob) in &state.blobs {
            let begun = client
                .post(format!("{}/v2/{REPOSITORY}/blobs/uploads/", self.base))
                .basic_auth(USER, Some(PASSWORD))
                .send()
                .await
                .unwrap();
            assert_eq!(begun.status(), 202);
            let place = begun.headers()["location"].to_str().unwrap().to_owned();
            let place = if place.starts_with('/') { format!("{}{place}", self.base) } else { place };
            let separator = if place.contains('?') { '&' } else { '?' };
            let sent = client
                .put(format!("{place}{separator}digest={digest}"))
                .basic_auth(USER, Some(PASSWORD))
                .header("content-type", "application/octet-stream")
                .body(blob.clone())
                .send()
                .await
                .unwrap();
            assert_eq!(sent.status(), 201);
        }
        let manifest = state.repositories[REPOSITORY].manifests[&digest].clone();
        let sent = client
            .put(format!("{}/v2/{REPOSITORY}/manifests/{}", self.base, payload.tag))
            .basic_auth(USER, Some(PASSWORD))
            .header("content-type", "application/vnd.docker.distribution.manifest.v2+json")
            .body(manifest)
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 201, "{}", sent.text().await.unwrap());
        digest
    }

    fn client(&self) -> RegistryClient {
        let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
        RegistryClient::new(http, Some(self.base.parse().unwrap()))
    }
}

fn spec(tag: &str) -> PullSpec {
    format!("quay.io/{REPOSITORY}:{tag}").parse().unwrap()
}

#[tokio::test]
async fn a_real_registry_gives_the_metadata_of_exactly_the_release_that_is_named() {
    let registry = Registry::start().await;
    let payload = |version: &str, url: Option<&str>| Payload {
        repository: REPOSITORY.to_owned(),
        tag: format!("{version}-x86_64"),
        version: version.to_owned(),
        url: url.map(str::to_owned),
    };
    let digest = registry.push(&payload("4.19.1", Some(PAGE))).await;
    registry.push(&payload("4.19.2", None)).await;
    let client = registry.client();
    let found = client.release_metadata(&spec("4.19.1-x86_64")).await.unwrap();
    assert_eq!((found.version.as_str(), found.url.as_deref()), ("4.19.1", Some(PAGE)));
    assert_eq!(found.digest.as_str(), digest);
    let exact = spec("4.19.1-x86_64").at(found.digest);
    assert_eq!(client.release_metadata(&exact).await.unwrap().version, "4.19.1");
    assert_eq!(client.release_metadata(&spec("4.19.2-x86_64")).await.unwrap().url, None);
    let missing = client.digest(&spec("4.19.3-x86_64")).await.unwrap_err();
    assert_eq!(missing.kind, ServiceErrorKind::NotFound);
    assert!(missing.to_string().contains("MANIFEST_UNKNOWN"), "{missing}");
}

#[tokio::test]
async fn a_real_registry_is_read_with_the_login_of_podman_and_refuses_without() {
    let registry = Registry::start_private().await;
    let payload = Payload {
        repository: REPOSITORY.to_owned(),
        tag: "4.19.1-x86_64".to_owned(),
        version: "4.19.1".to_owned(),
        url: None,
    };
    registry.push(&payload).await;
    let refused = registry.client().release_metadata(&spec("4.19.1-x86_64")).await.unwrap_err();
    assert_eq!(refused.kind, ServiceErrorKind::Unauthorized, "{refused}");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("auth.json");
    let host = registry.base.replace("http://", "");
    let login = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    std::fs::write(&file, format!(r#"{{"auths": {{"{host}": {{"auth": "{login}"}}}}}}"#)).unwrap();
    let client = registry.client().with_logins(vec![file]);
    assert_eq!(client.release_metadata(&spec("4.19.1-x86_64")).await.unwrap().version, "4.19.1");
}

#[tokio::test]
async fn a_payload_is_read_however_it_is_packed_and_however_the_registry_speaks() {
    for packing in [Packing::Gzip, Packing::Zstd, Packing::ZstdThenGzip, Packing::GzipThenZstd] {
        for spelling in [Spelling::Plain, Spelling::Odd] {
            let sandbox = Sandbox::start(&Options::default()).unwrap();
            let digest = {
                let mut registry = sandbox.world().registry.lock();
                registry.spelling = spelling;
                registry.repack(REPOSITORY, "4.19.1-x86_64", packing).unwrap()
            };
            let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
            let base = format!("{}/registry", sandbox.base_url()).parse().unwrap();
            let client = RegistryClient::new(http, Some(base));
            let found = client.release_metadata(&spec("4.19.1-x86_64")).await.unwrap();
            assert_eq!((found.version.as_str(), found.digest.as_str()), ("4.19.1", digest.as_str()));
            sandbox.assert_no_unexpected();
        }
    }
}
