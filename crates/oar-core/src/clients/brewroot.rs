//! Koji's download root: the components of a build (spec 02 §4). Requests carry no credentials and no
//! Kerberos ticket.

use std::collections::BTreeSet;

use serde::Deserialize;
use url::Url;

use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join, join_segments};
use crate::ids::Nvr;
use crate::service::Service;

/// The largest document that is read, in bytes: an image lists every package of every file.
const DOCUMENT_LIMIT: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Document {
    output: Vec<Output>,
}

/// One output file of a build. Only files with a list of packages have components. Producers write a missing
/// list in different ways: RHCOS writes an empty string (spec 02 §4).
#[derive(Deserialize)]
struct Output {
    #[serde(default, deserialize_with = "empty::list")]
    components: Vec<Record>,
}

/// A component's record. Only packages have all members.
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

    /// The builds of the packages with these names in the files of `build`, without duplicates.
    pub async fn components(&self, build: &Nvr, names: &[&str]) -> Result<Vec<Nvr>, ServiceError> {
        let operation = "read what went into a build";
        let folder = join(&self.base, "packages");
        let url = join_segments(&folder, [&build.name, &build.version, &build.release, "metadata.json"]);
        let call = Call::get(Service::Brewroot, operation, url)
            .about(format!("build {build}"))
            .body_limit(DOCUMENT_LIMIT);
        let reply = self.http.send(call).await?.success(Reply::words)?;
        let document: Document = reply.json()?;
        let wanted = |record: &Record| {
            record.kind.as_deref().is_none_or(|kind| kind == "rpm")
                && record.name.as_deref().is_some_and(|name| names.contains(&name))
        };
        let records = document.output.into_iter().flat_map(|output| output.components).filter(wanted);
        let components = records.map(|record| match (record.name, record.version, record.release) {
            (Some(name), Some(version), Some(release)) => Ok(Nvr { name, version, release }),
            (name, ..) => Err(reply.failure(
                ServiceErrorKind::Malformed,
                format!("the package {} has no version or no release", name.unwrap_or_default()),
            )),
        });
        Ok(components.collect::<Result<BTreeSet<Nvr>, _>>()?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer};

    use super::*;
    use crate::clients::testing::{base, http, ok};

    async fn components(document: serde_json::Value) -> Result<Vec<Nvr>, ServiceError> {
        let server = MockServer::start().await;
        Mock::given(path("/brewroot/packages/rhcos-x86_64/419.96.202605081313/0/metadata.json"))
            .respond_with(ok(document))
            .mount(&server)
            .await;
        let client = BrewrootClient::new(http(5), base(&server, "/brewroot"));
        let found =
            client.components(&"rhcos-x86_64-419.96.202605081313-0".parse().unwrap(), &["kernel"]).await;
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
        let names: Vec<String> = components(document).await.unwrap().iter().map(Nvr::to_string).collect();
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
    async fn a_document_that_is_none_is_an_error() {
        assert_eq!(components(json!({})).await.unwrap_err().kind, ServiceErrorKind::Malformed);
    }
}
