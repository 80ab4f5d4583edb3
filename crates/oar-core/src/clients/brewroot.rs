//! Koji's download root: what went into a build (spec 02 §4). Anonymous: the host is offered no Kerberos ticket.

use std::collections::BTreeSet;

use serde::Deserialize;
use url::Url;

use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join, join_segments};
use crate::service::Service;

/// The largest document that is read: an image lists every package of every file.
const DOCUMENT_LIMIT: usize = 64 * 1024 * 1024;

/// A package that went into a build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
}

impl Component {
    /// Name, version and release, as Koji names the build of this package.
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}

#[derive(Deserialize)]
struct Document {
    output: Vec<Output>,
}

/// One file that a build made. Only those with a list of packages have components; the others say so in as many ways as
/// there are producers: RHCOS writes the empty text (spec 02 §4).
#[derive(Deserialize)]
struct Output {
    #[serde(default, deserialize_with = "empty::list")]
    components: Vec<Record>,
}

/// What is said of a package. Of other things than packages less is known.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type", default, deserialize_with = "empty::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "empty::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "empty::text")]
    version: Option<String>,
    #[serde(default, deserialize_with = "empty::text")]
    release: Option<String>,
}

/// Reads from one download root. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BrewrootClient {
    http: Http,
    base: Url,
}

impl BrewrootClient {
    /// A client of the root at `base`, the address above `packages/`.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base }
    }

    /// The packages of these names that went into the files of the build `nvr`, each once.
    pub async fn components(&self, nvr: &str, names: &[&str]) -> Result<Vec<Component>, ServiceError> {
        let operation = "read what went into a build";
        let mut parts = nvr.rsplitn(3, '-');
        let (Some(release), Some(version), Some(package)) = (parts.next(), parts.next(), parts.next()) else {
            let detail =
                "not a build's name, version and release, such as rhcos-x86_64-419.96.202605081313-0";
            return Err(ServiceError::new(Service::Brewroot, operation, ServiceErrorKind::Rejected, detail)
                .about(nvr));
        };
        let folder = join(&self.base, "packages");
        let url = join_segments(&folder, [package, version, release, "metadata.json"]);
        let call = Call::get(Service::Brewroot, operation, url)
            .about(format!("build {nvr}"))
            .body_limit(DOCUMENT_LIMIT);
        let reply = self.http.send(call).await?.success(Reply::words)?;
        let document: Document = reply.json()?;
        let wanted = |record: &Record| {
            record.kind.as_deref().is_none_or(|kind| kind == "rpm")
                && record.name.as_deref().is_some_and(|name| names.contains(&name))
        };
        let records = document.output.into_iter().flat_map(|output| output.components).filter(wanted);
        let components = records.map(|record| match (record.name, record.version, record.release) {
            (Some(name), Some(version), Some(release)) => Ok(Component { name, version, release }),
            (name, ..) => Err(reply.failure(
                ServiceErrorKind::Malformed,
                format!("the package {} has no version or no release", name.unwrap_or_default()),
            )),
        });
        Ok(components.collect::<Result<BTreeSet<Component>, _>>()?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clock::Clock;
    use crate::http::HttpSettings;
    use crate::redact::Redactor;

    async fn components(document: serde_json::Value) -> Result<Vec<Component>, ServiceError> {
        let server = MockServer::start().await;
        Mock::given(path("/brewroot/packages/rhcos-x86_64/419.96.202605081313/0/metadata.json"))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&server)
            .await;
        let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
        let client = BrewrootClient::new(http, Url::parse(&format!("{}/brewroot", server.uri())).unwrap());
        let found = client.components("rhcos-x86_64-419.96.202605081313-0", &["kernel"]).await;
        let requests = server.received_requests().await.unwrap();
        assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")));
        found
    }

    fn package(name: &str, release: &str) -> serde_json::Value {
        json!({"type": "rpm", "name": name, "version": "5.14.0", "release": release, "epoch": null, "arch": "x86_64"})
    }

    #[tokio::test]
    async fn kernels_are_found_beside_outputs_without_components() {
        let document = json!({"metadata_version": 0, "buildroots": [{"components": ""}], "output": [
            {"type": "log"},
            {"type": "file", "components": null},
            {"type": "qcow2", "components": ""},
            {"type": "iso", "components": []},
            {"type": "ova", "components": {}},
            {"type": "file", "components": [{"type": "file", "filename": "a"}, {"type": "rpm", "name": null}]},
            {"type": "file", "components": [package("kernel", "2.el9"), package("kernel-core", "2.el9")]},
            {"type": "file", "components": [package("kernel", "2.el9"), package("kernel", "1.el9")]},
        ]});
        let names: Vec<String> = components(document).await.unwrap().iter().map(Component::nvr).collect();
        assert_eq!(names, ["kernel-5.14.0-1.el9", "kernel-5.14.0-2.el9"]);
        assert_eq!(components(json!({"output": []})).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_package_without_a_version_is_an_error_and_not_left_out() {
        let mut broken = package("kernel", "2.el9");
        broken["version"] = json!("");
        let document = json!({"output": [{"components": [broken, package("kernel", "1.el9")]}]});
        assert_eq!(components(document).await.unwrap_err().kind, ServiceErrorKind::Malformed);
        let strange = json!({"output": [{"components": "see elsewhere"}]});
        assert_eq!(components(strange).await.unwrap_err().kind, ServiceErrorKind::Malformed);
    }

    #[tokio::test]
    async fn a_document_that_is_none_and_a_name_that_is_none_are_errors() {
        assert_eq!(components(json!({})).await.unwrap_err().kind, ServiceErrorKind::Malformed);
        let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
        let client = BrewrootClient::new(http, Url::parse("http://127.0.0.1:9").unwrap());
        assert_eq!(
            client.components("rhcos", &["kernel"]).await.unwrap_err().kind,
            ServiceErrorKind::Rejected
        );
    }
}
