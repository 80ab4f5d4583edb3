//! Checks of an advisory's contents: builds, external tests, security alerts, container grade (E-10, E-11,
//! E-12, E-15, E-16).

use http::header::{ACCEPT, LOCATION};
use http::{HeaderValue, Method};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::model::literals;
use super::{AdvisoryId, ErrataClient};
use crate::clients::empty::or_default;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Repeat;
use crate::ids::{InvalidNvr, Nvr};
use crate::permit::WritePermit;
use crate::service::Service;

/// External tests per page; the service's own limit (spec 02 §2.9).
const PAGE_SIZE: usize = 1000;
/// A page shorter than the service's default page is the last one, whether or not the service honours
/// [`PAGE_SIZE`].
const SHORT_PAGE: usize = 100;
/// The most pages that are read.
const PAGES: usize = 50;
/// The text before the grade on the container page (`interop-exact`, spec 02 E-16).
const GRADE_LABEL: &str = "Docker Container Content - ";

literals! {
    /// The status of an external test (spec 02 §2.9).
    TestStatus {
        /// Passed.
        Passed = "PASSED",
        /// Failed, and the failure was waived.
        Waived = "WAIVED",
        /// There was nothing to test.
        Ineligible = "INELIGIBLE",
        /// For information: neither success nor failure.
        Info = "INFO",
        /// A person must inspect the result.
        NeedsInspection = "NEEDS_INSPECTION",
        /// Failed.
        Failed = "FAILED",
        /// The test system failed: the test neither passed nor failed.
        Error = "ERROR",
        /// Not started.
        Pending = "PENDING",
        /// Queued.
        QueuedForTest = "QUEUED_FOR_TEST",
        /// Running.
        Running = "RUNNING",
    }
}

impl TestStatus {
    /// Whether it counts as success (spec 02 §2.9). [`TestStatus::Info`] does not.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Passed | Self::Waived | Self::Ineligible)
    }

    /// Whether the test has not ended yet.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::Pending | Self::QueuedForTest | Self::Running)
    }
}

/// One run of an external test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalTest {
    /// Its number.
    pub id: u64,
    /// Its status.
    pub status: TestStatus,
    /// The build that was tested; absent when the test is about the whole advisory.
    pub nvr: Option<String>,
}

/// One build of an advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryBuild {
    /// The product version that it is attached to.
    pub product_version: String,
    /// The build.
    pub nvr: Nvr,
}

/// Product security's alerts about an advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityAlerts {
    /// Whether the alerts block the advisory.
    pub blocking: bool,
    /// The alerts as the service words them, for people.
    pub alerts: Vec<String>,
}

#[derive(Deserialize)]
struct TestsAnswer {
    #[serde(deserialize_with = "or_default")]
    data: Vec<TestRecord>,
}

#[derive(Deserialize)]
struct TestRecord {
    id: u64,
    attributes: TestAttributes,
    #[serde(default, deserialize_with = "or_default")]
    relationships: Option<TestRelations>,
}

#[derive(Deserialize)]
struct TestAttributes {
    status: TestStatus,
}

#[derive(Deserialize)]
struct TestRelations {
    #[serde(default, deserialize_with = "or_default")]
    brew_build: Option<BuildRecord>,
}

#[derive(Deserialize)]
struct BuildRecord {
    #[serde(default)]
    nvr: Option<String>,
}

/// By product version; for an advisory without builds the answer may be an empty list.
#[derive(Deserialize)]
#[serde(transparent)]
struct Builds(#[serde(deserialize_with = "or_default")] IndexMap<String, ProductVersion>);

#[derive(Deserialize)]
struct ProductVersion {
    #[serde(default, deserialize_with = "or_default")]
    builds: Vec<IndexMap<String, Value>>,
}

#[derive(Deserialize)]
struct AlertsAnswer {
    alerts: AlertsRecord,
}

/// An answer without `blocking` is an error: an unreadable answer must not open a gate (spec 02 §10 E23).
#[derive(Deserialize)]
struct AlertsRecord {
    blocking: bool,
    #[serde(default, deserialize_with = "or_default")]
    alerts: Vec<Value>,
}

impl From<AlertsAnswer> for SecurityAlerts {
    fn from(answer: AlertsAnswer) -> Self {
        let words = |alert: Value| match alert.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => alert.to_string(),
        };
        Self {
            blocking: answer.alerts.blocking,
            alerts: answer.alerts.alerts.into_iter().map(words).collect(),
        }
    }
}

impl ErrataClient {
    /// The builds of an advisory (E-15).
    pub async fn builds(&self, id: AdvisoryId) -> Result<Vec<AdvisoryBuild>, ServiceError> {
        let call = self.call("read builds", Method::GET, id, &format!("api/v1/erratum/{id}/builds"))?;
        let reply = self.send(call, id).await?;
        let Builds(versions) = reply.json()?;
        let builds = versions.into_iter().flat_map(|(product_version, version)| {
            let names = version.builds.into_iter().flat_map(IndexMap::into_keys);
            names.map(move |name| {
                Ok(AdvisoryBuild { product_version: product_version.clone(), nvr: name.parse()? })
            })
        });
        builds
            .collect::<Result<_, InvalidNvr>>()
            .map_err(|error| reply.failure(ServiceErrorKind::Malformed, error.to_string()))
    }

    /// The current runs of one kind of external test, such as `greenwave_cvp` (E-10).
    pub async fn external_tests(
        &self,
        id: AdvisoryId,
        test_type: &str,
    ) -> Result<Vec<ExternalTest>, ServiceError> {
        let mut tests: Vec<ExternalTest> = Vec::new();
        for page in 1..=PAGES {
            let query = Serializer::new(String::new())
                .append_pair("filter[active]", "true")
                .append_pair("filter[errata_id]", &id.to_string())
                .append_pair("filter[test_type]", test_type)
                .append_pair("page[number]", &page.to_string())
                .append_pair("page[size]", &PAGE_SIZE.to_string())
                .finish();
            let path = format!("api/v1/external_tests/?{query}");
            let call = self.call("read external tests", Method::GET, id, &path)?;
            let answer: TestsAnswer = self.send(call, id).await?.json()?;
            let count = answer.data.len();
            for record in answer.data {
                // A test that moved to the next page while the pages were read is on both.
                if !tests.iter().any(|known| known.id == record.id) {
                    tests.push(ExternalTest {
                        id: record.id,
                        status: record.attributes.status,
                        nvr: record.relationships.and_then(|it| it.brew_build).and_then(|build| build.nvr),
                    });
                }
            }
            if count < SHORT_PAGE {
                return Ok(tests);
            }
        }
        let detail = format!("more than {PAGES} pages of tests");
        let error =
            ServiceError::new(Service::Errata, "read external tests", ServiceErrorKind::Malformed, detail);
        Err(error.about(format!("advisory {id}")))
    }

    /// The alerts about an RHSA as of their last refresh (E-12); for a preview only.
    pub async fn security_alerts(&self, id: AdvisoryId) -> Result<SecurityAlerts, ServiceError> {
        let path = format!("api/v1/erratum/{id}/security_alerts");
        let call = self.call("read security alerts", Method::GET, id, &path)?;
        Ok(self.send(call, id).await?.json::<AlertsAnswer>()?.into())
    }

    /// Has the alerts of an RHSA recomputed and reads them (E-11). Errata Tool refuses other advisory types.
    pub async fn refresh_security_alerts(
        &self,
        id: AdvisoryId,
        permit: &WritePermit,
    ) -> Result<SecurityAlerts, ServiceError> {
        let path = format!("api/v1/erratum/{id}/security_alerts/refresh");
        let call = self
            .call("refresh security alerts", Method::POST, id, &path)?
            // Computing them again gives the same alerts.
            .repeat(Repeat::Safe)
            .permitted(permit);
        Ok(self.send(call, id).await?.json::<AlertsAnswer>()?.into())
    }

    /// The overall grade of an advisory's containers, `A` to `F` (E-16); `None` when it has no containers.
    ///
    /// The page is HTML for people. A page without the grade is an error: unknown is not healthy.
    pub async fn container_grade(&self, id: AdvisoryId) -> Result<Option<char>, ServiceError> {
        let call = self
            .call("read container grade", Method::GET, id, &format!("errata/container/{id}"))?
            .header(ACCEPT, HeaderValue::from_static("text/html"))
            .page();
        let reply = self.http.send(call).await?;
        let to_advisory = |location: &HeaderValue| {
            location
                .to_str()
                .is_ok_and(|text| text.trim_end_matches('/').ends_with(&format!("/advisory/{id}")))
        };
        if reply.status.is_redirection() && reply.headers.get(LOCATION).is_some_and(to_advisory) {
            return Ok(None);
        }
        let reply = super::successful(reply, id)?;
        let page = reply.text()?;
        let letter = page.split_once(GRADE_LABEL).and_then(|(_, rest)| rest.chars().next());
        match letter.filter(|letter| matches!(letter, 'A'..='F')) {
            Some(letter) => Ok(Some(letter)),
            None => Err(reply.failure(
                ServiceErrorKind::Malformed,
                format!("the page shows no grade: expected `{GRADE_LABEL}` and a letter from A to F"),
            )),
        }
    }
}
