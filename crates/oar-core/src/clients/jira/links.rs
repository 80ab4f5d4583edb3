//! What an issue, or its project, points to: remote links (spec 02 §5.2 J-11) and the project's versions.

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;

use super::{IssueKey, JiraClient};
use crate::clients::empty;
use crate::error::ServiceError;

#[derive(Deserialize)]
struct RemoteLink {
    #[serde(default, deserialize_with = "empty::or_default")]
    object: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default, deserialize_with = "empty::or_default")]
    url: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    name: String,
}

impl JiraClient {
    /// The addresses of the issue's remote links, which Jira answers at once and not in pages.
    pub async fn remote_links(&self, key: &IssueKey) -> Result<Vec<String>, ServiceError> {
        let call = self.call("read remote links", Method::GET, &format!("/issue/{key}/remotelink"))?;
        let reply = self.send(call.about(key.as_str())).await?;
        let links: Vec<RemoteLink> = self.decode(&reply)?;
        Ok(links.into_iter().filter_map(|link| link.object?.url).collect())
    }

    /// The names of the versions of a project.
    pub async fn version_names(&self, project: &str) -> Result<BTreeSet<String>, ServiceError> {
        let call = self.call("read versions", Method::GET, &format!("/project/{project}/versions"))?;
        let reply = self.send(call.about(format!("project {project}"))).await?;
        let versions: Vec<Version> = self.decode(&reply)?;
        Ok(versions.into_iter().map(|version| version.name).collect())
    }
}
