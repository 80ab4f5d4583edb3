//! Pyxis by build: the grades of a container build's images (spec 02 §3).
//!
//! No credentials are sent: a Kerberos ticket is Errata Tool's alone (spec 02 §10 E2).

use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use crate::clients::catalog::FreshnessGrade;
use crate::config::join;
use crate::error::ServiceError;
use crate::http::{Call, Http, Reply};
use crate::service::Service;

/// The grades of one architecture of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchitectureGrades {
    /// The architecture in Go's spelling: `amd64`.
    pub architecture: String,
    /// Its grades.
    pub grades: Vec<FreshnessGrade>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    freshness_grades: Option<Vec<FreshnessGrade>>,
}

/// Reads Pyxis. Cheap to clone.
#[derive(Clone)]
pub struct PyxisClient {
    http: Http,
    base: Arc<Url>,
}

impl std::fmt::Debug for PyxisClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PyxisClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl PyxisClient {
    /// A client of the Pyxis at `base`.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base: Arc::new(base) }
    }

    /// Reads the grades of a build by architecture. A build that Pyxis does not know is
    /// [`crate::error::ServiceErrorKind::NotFound`].
    pub async fn grades_of_build(&self, nvr: &str) -> Result<Vec<ArchitectureGrades>, ServiceError> {
        let mut url = crate::config::join_segments(&join(&self.base, "v1/images/nvr"), [nvr]);
        url.set_query(Some("include=data.freshness_grades&include=data.architecture"));
        let call = Call::get(Service::Pyxis, "read grades of a build", url).about(nvr);
        let reply = self.http.send(call).await?.success(Reply::words)?;
        let page: Page = reply.json()?;
        Ok(page
            .data
            .into_iter()
            .map(|record| ArchitectureGrades {
                architecture: record.architecture.unwrap_or_else(|| "unknown".to_owned()),
                grades: record.freshness_grades.unwrap_or_default(),
            })
            .collect())
    }
}
