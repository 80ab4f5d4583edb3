//! Creates issues, and finds issues by title (spec 02 §5.2 J-9, §5.7).

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::search::quoted;
use super::{Issue, IssueKey, JiraClient, body};
use crate::clients::write_or_look;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// An issue to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIssue {
    /// The project's key: `CVP`.
    pub project: String,
    /// The type's name: `Bug`.
    pub issue_type: String,
    /// The title, by which it can be found again.
    pub summary: String,
    /// The text, in wiki markup.
    pub description: String,
    /// The priority's name: `Blocker`.
    pub priority: String,
}

impl JiraClient {
    /// The issues of `project` whose title is exactly `summary`, newest first, with the named fields.
    ///
    /// Jira's search compares words, so its hits are compared again: an issue of another release is left out
    /// (spec 02 §10 J8).
    pub async fn issues_titled(
        &self,
        project: &str,
        summary: &str,
        fields: &[&str],
    ) -> Result<Vec<Issue>, ServiceError> {
        let plain: String =
            summary.chars().map(|letter| if "[](){}".contains(letter) { ' ' } else { letter }).collect();
        let jql = format!(
            "project = {} AND summary ~ {} ORDER BY created DESC",
            quoted(project),
            quoted(plain.trim())
        );
        let mut wanted = vec!["summary"];
        wanted.extend(fields.iter().filter(|field| **field != "summary"));
        let mut found = self.search(&jql, &wanted).await?;
        found.retain(|issue| issue.summary() == Some(summary));
        Ok(found)
    }

    /// Creates the issue and returns its key (one request).
    ///
    /// Never sent twice: when no answer arrives, the title is searched for, and an issue that did not exist
    /// before the call counts as created. Call [`JiraClient::issues_titled`] first.
    pub async fn create_issue(
        &self,
        issue: &NewIssue,
        permit: &WritePermit,
    ) -> Result<IssueKey, ServiceError> {
        #[derive(Deserialize)]
        struct Created {
            key: IssueKey,
        }
        let fields = json!({ "fields": {
            "project": { "key": issue.project },
            "issuetype": { "name": issue.issue_type },
            "summary": issue.summary,
            "description": issue.description,
            "priority": { "name": issue.priority },
        }});
        let call = self
            .call("create issue", Method::POST, "/issue")?
            .about(format!("project {}", issue.project))
            .body(body(&fields))
            .permitted(permit);
        let write = async {
            let reply = self.exchange(call).await?;
            Ok(self.decode::<Created>(&reply)?.key)
        };
        let look = async {
            let found = self.issues_titled(&issue.project, &issue.summary, &[]).await?;
            Ok::<_, ServiceError>(found.into_iter().next().map(|issue| issue.key))
        };
        // After a success that cannot be read the key is unknown, but the issue exists.
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Malformed];
        Ok(Box::pin(write_or_look(write, &doubtful, look)).await?.into_inner())
    }
}
