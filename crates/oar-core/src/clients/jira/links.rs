//! What an issue, its project or its site points to: remote links (spec 02 §5.2 J-11), the project's versions, the names of
//! fields.

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

/// A field of the site.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldName {
    /// Its id: `customfield_10470`.
    pub id: String,
    /// Its name: `QA Contact`.
    pub name: String,
}

impl JiraClient {
    /// The addresses of the issue's remote links, which Jira answers at once and not in pages.
    pub async fn remote_links(&self, key: &IssueKey) -> Result<Vec<String>, ServiceError> {
        let call = self.call("read remote links", Method::GET, &format!("/issue/{key}/remotelink"))?;
        let reply = self.send(call.about(key.as_str())).await?;
        let links: Vec<RemoteLink> = self.decode(&reply)?;
        Ok(links.into_iter().filter_map(|link| link.object?.url).collect())
    }

    /// The fields of the site, with their names.
    pub async fn field_names(&self) -> Result<Vec<FieldName>, ServiceError> {
        let reply = self.send(self.call("read fields", Method::GET, "/field")?).await?;
        self.decode(&reply)
    }

    /// The names of the versions of a project.
    pub async fn version_names(&self, project: &str) -> Result<BTreeSet<String>, ServiceError> {
        let call = self.call("read versions", Method::GET, &format!("/project/{project}/versions"))?;
        let reply = self.send(call.about(format!("project {project}"))).await?;
        let versions: Vec<Version> = self.decode(&reply)?;
        Ok(versions.into_iter().map(|version| version.name).collect())
    }
}
