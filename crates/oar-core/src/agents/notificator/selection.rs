//! Which issues a pass looks at (spec 05 §3.1).

use jiff::civil::Date;

use crate::clients::jira::{Issue, JiraClient};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::version::YStream;

/// The project of the bugs.
pub(super) const PROJECT: &str = "OCPBUGS";

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The y-streams whose bugs are looked at.
    pub streams: Vec<YStream>,
    /// Only issues that became `ON_QA` after this day.
    pub from_date: Option<Date>,
    /// How many issues a page of the search has, at most a hundred.
    pub page_size: usize,
}

impl Selection {
    /// The target versions: `4.12.z`.
    fn versions(&self) -> Vec<String> {
        self.streams.iter().map(|stream| format!("{stream}.z")).collect()
    }

    /// The query (`interop-exact`: the same list as the Python reference's, so that both look at the same issues).
    fn query(&self, versions: &[String]) -> String {
        let mut query = format!(
            "project = {PROJECT} AND issuetype in (Bug, Vulnerability) AND status = ON_QA AND 'Target Version' in ({})",
            versions.join(", ")
        );
        if let Some(date) = self.from_date {
            query.push_str(" AND status changed to ON_QA after ");
            query.push_str(&date.to_string());
        }
        query
    }

    /// The issues, with the named fields.
    ///
    /// A version that the project does not have makes Jira refuse the whole query (spec 02 §5.3); then the project's
    /// versions are read, and those that it does not have are left out.
    pub(super) async fn search(
        &self,
        jira: &JiraClient,
        fields: &[&str],
    ) -> Result<Vec<Issue>, ServiceError> {
        let mut versions = self.versions();
        let refused = match jira.search_in_pages(&self.query(&versions), fields, self.page_size).await {
            Err(error) if error.kind == ServiceErrorKind::Rejected => error,
            outcome => return outcome,
        };
        let known = jira.version_names(PROJECT).await?;
        let all = versions.len();
        versions.retain(|version| known.contains(version));
        if versions.is_empty() || versions.len() == all {
            return Err(refused);
        }
        tracing::warn!("{PROJECT} does not have {} of the {all} versions yet", all - versions.len());
        jira.search_in_pages(&self.query(&versions), fields, self.page_size).await
    }

    /// Why the search does not find an issue with these fields; `None` when it does.
    pub(super) fn leaves_out(&self, issue: &Issue) -> Option<String> {
        if !issue.key.as_str().starts_with("OCPBUGS-") {
            return Some(format!("it is not in the project {PROJECT}"));
        }
        let named = |value: &serde_json::Value| Some(value.get("name")?.as_str()?.to_owned());
        let kind = issue.field("issuetype").and_then(named).unwrap_or_default();
        if !matches!(kind.as_str(), "Bug" | "Vulnerability") {
            return Some(format!("its type is `{kind}`, neither Bug nor Vulnerability"));
        }
        let status = issue.status().unwrap_or("unknown");
        if status != super::issue::ON_QA {
            return Some(format!("its status is {status}, not ON_QA"));
        }
        let targets = issue.field(TARGET_VERSION).and_then(serde_json::Value::as_array);
        let targets: Vec<String> = targets.into_iter().flatten().filter_map(named).collect();
        if targets.iter().any(|target| self.versions().contains(target)) {
            return None;
        }
        Some(match targets.as_slice() {
            [] => "it has no target version".to_owned(),
            some => format!("none of its target versions ({}) is supported", some.join(", ")),
        })
    }
}

/// The custom field Target Version (spec 02 §5.3), which queries know by its name.
pub(super) const TARGET_VERSION: &str = "customfield_10855";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn selection(from_date: Option<&str>) -> Selection {
        let streams = (12..=22).map(|minor| YStream::new(4, minor)).collect();
        Selection { streams, from_date: from_date.map(|date| date.parse().unwrap()), page_size: 100 }
    }

    #[test]
    fn the_query_is_the_reference_s() {
        let expected = "project = OCPBUGS AND issuetype in (Bug, Vulnerability) AND status = ON_QA AND 'Target Version' \
                        in (4.12.z, 4.13.z, 4.14.z, 4.15.z, 4.16.z, 4.17.z, 4.18.z, 4.19.z, 4.20.z, 4.21.z, 4.22.z)";
        let plain = selection(None);
        assert_eq!(plain.query(&plain.versions()), expected);
        let dated = selection(Some("2026-06-01"));
        let with_date = format!("{expected} AND status changed to ON_QA after 2026-06-01");
        assert_eq!(dated.query(&dated.versions()), with_date);
    }

    #[test]
    fn an_issue_that_is_left_out_is_told_why() {
        let of = |key: &str, fields: Value| {
            let issue = serde_json::from_value(json!({"id": "1", "key": key, "fields": fields})).unwrap();
            selection(None).leaves_out(&issue)
        };
        let fields = |kind: &str, status: &str, target: Value| json!({"issuetype": {"name": kind}, "status": {"name": status}, TARGET_VERSION: target});
        let good = json!([{"name": "4.19.z"}]);
        assert_eq!(of("OCPBUGS-1", fields("Bug", "ON_QA", good.clone())), None);
        for (key, fields, words) in [
            ("ART-1", fields("Bug", "ON_QA", good.clone()), "project"),
            ("OCPBUGS-1", fields("Story", "ON_QA", good.clone()), "`Story`"),
            ("OCPBUGS-1", fields("Bug", "POST", good), "POST"),
            ("OCPBUGS-1", fields("Bug", "ON_QA", json!(null)), "no target version"),
            ("OCPBUGS-1", fields("Bug", "ON_QA", json!([{"name": "4.9.z"}])), "4.9.z"),
        ] {
            let why = of(key, fields).unwrap();
            assert!(why.contains(words), "{why}");
        }
    }
}
