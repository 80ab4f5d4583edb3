//! Jira: the token, and the rights in the projects of releases and of bugs.

use super::{Examination, Finding};
use crate::clients::jira::JiraClient;
use crate::error::{ServiceError, ServiceErrorKind};

pub(super) const TOKEN: &str = "jira-token";
pub(super) const PROJECTS: &str = "jira-projects";
pub(super) const BUGS: &str = "jira-bugs";

/// The project of releases' tickets, and the rights that tasks use there.
const RELEASES: (&str, &[&str]) =
    ("ART", &["BROWSE_PROJECTS", "ASSIGN_ISSUES", "TRANSITION_ISSUES", "ADD_COMMENTS"]);
/// The project of bugs, and the right that tasks use there.
const READ_BUGS: (&str, &[&str]) = ("OCPBUGS", &["BROWSE_PROJECTS"]);
/// The rights that agents use there: they remind people in comments, and note at the bug that they did (a property).
const CHANGE_BUGS: (&str, &[&str]) = ("OCPBUGS", &["ADD_COMMENTS", "EDIT_ISSUES"]);

/// The token, and both projects.
pub(super) async fn check(at: &Examination<'_>) -> Vec<Finding> {
    let jira = match at.clients.jira() {
        Ok(jira) => jira,
        Err(error) => {
            let closed = Finding::unknown(PROJECTS, "not looked at without a token", "");
            return vec![Finding::of_error(TOKEN, &error), closed];
        }
    };
    let (account, releases, bugs) =
        tokio::join!(jira.myself(), lacking(&jira, RELEASES), lacking(&jira, READ_BUGS));
    let token = match account {
        Ok(account) if account.active => {
            Finding::ok(TOKEN, "accepted; Jira tells nobody when a token expires")
        }
        Ok(_) => Finding::missing(TOKEN, "its account is deactivated", "Use the token of an active account."),
        Err(error) => Finding::of_error(TOKEN, &error),
    };
    vec![token, projects(PROJECTS, &[(RELEASES.0, releases), (READ_BUGS.0, bugs)])]
}

/// The rights of the agents that work on bugs.
pub(super) async fn bugs(at: &Examination<'_>) -> Vec<Finding> {
    let finding = match at.clients.jira() {
        Ok(jira) => projects(BUGS, &[(CHANGE_BUGS.0, lacking(&jira, CHANGE_BUGS).await)]),
        Err(_) => Finding::unknown(BUGS, "not looked at without a token", ""),
    };
    vec![finding.optional()]
}

async fn lacking(
    jira: &JiraClient,
    (project, rights): (&str, &[&'static str]),
) -> Result<Vec<&'static str>, ServiceError> {
    jira.permissions_lacking(project, rights).await
}

fn projects(check: &'static str, all: &[(&str, Result<Vec<&'static str>, ServiceError>)]) -> Finding {
    let names = all.iter().map(|(project, _)| *project).collect::<Vec<_>>().join(", ");
    let mut lacking = Vec::new();
    for (project, found) in all {
        match found {
            Ok(rights) if rights.is_empty() => {}
            Ok(rights) => lacking.push(format!("in {project}: {}", rights.join(", "))),
            // Jira hides a project from whoever may not see it, and everything from a token that it refuses.
            Err(error) if error.kind == ServiceErrorKind::NotFound => {
                lacking.push(format!("{project} is not visible"));
            }
            Err(error) => return Finding::of_error(check, error),
        }
    }
    if lacking.is_empty() {
        return Finding::ok(check, format!("the account has its rights in {names}"));
    }
    Finding::missing(
        check,
        format!("the account lacks rights {}", lacking.join("; ")),
        "Ask an administrator of the project for these rights of the account of JIRA_USERNAME.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::FindingVerdict;
    use super::*;
    use crate::service::Service;

    #[test]
    fn lacking_rights_and_hidden_projects_are_missing_and_a_failed_look_is_unknown() {
        let error = |kind| Err(ServiceError::new(Service::Jira, "read", kind, "x"));
        let of = |releases, bugs| projects(PROJECTS, &[("ART", releases), ("OCPBUGS", bugs)]);
        let fine = || Ok(Vec::new());
        assert_eq!(of(fine(), fine()).verdict, FindingVerdict::Ok);
        let lacking = of(Ok(vec!["ASSIGN_ISSUES"]), error(ServiceErrorKind::NotFound));
        assert_eq!(lacking.verdict, FindingVerdict::Missing);
        assert!(lacking.text.ends_with("in ART: ASSIGN_ISSUES; OCPBUGS is not visible"), "{}", lacking.text);
        assert_eq!(of(fine(), error(ServiceErrorKind::Unavailable)).verdict, FindingVerdict::Unknown);
        assert_eq!(of(error(ServiceErrorKind::Unauthorized), fine()).verdict, FindingVerdict::Missing);
    }
}
