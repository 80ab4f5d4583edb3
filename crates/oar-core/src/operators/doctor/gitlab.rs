//! GitLab: the token, the project with the shipments, and whether an approval of the token's account counts.

use jiff::tz::TimeZone;
use url::Url;

use super::{Examination, Finding, Subject};
use crate::clients::gitlab::{ApprovalRule, GitlabClient, MergeRequestRef, Project, TokenFacts, User};
use crate::config::ShipmentUrl;
use crate::error::ServiceError;
use crate::service::Service;

pub(super) const TOKEN: &str = "gitlab-token";
pub(super) const PROJECT: &str = "gitlab-project";
pub(super) const APPROVAL: &str = "gitlab-approval";

/// The scope that everything here needs.
const SCOPE: &str = "api";
/// The role that may approve merge requests and change them.
const DEVELOPER: u64 = 30;
const RENEW: &str = "Make a new token at GitLab with the scope `api`, and set GITLAB_TOKEN to it.";
const NO_TOKEN: &str = "not looked at without a token";

/// The three findings. A release without a shipment needs none of them.
pub(super) async fn check(at: &Examination<'_>) -> Vec<Finding> {
    let needed = !at.is_errata_flow().await;
    let findings = match (at.clients.gitlab(), at.clients.settings().shipment_project()) {
        (Err(error), _) | (_, Err(error)) => {
            let closed = |check| Finding::unknown(check, NO_TOKEN, "");
            vec![Finding::of_error(TOKEN, &error), closed(PROJECT), closed(APPROVAL)]
        }
        (Ok(gitlab), Ok(project)) => looked_at(at, &gitlab, project).await,
    };
    findings.into_iter().map(|finding| finding.needed_if(needed)).collect()
}

async fn looked_at(at: &Examination<'_>, gitlab: &GitlabClient, path: &str) -> Vec<Finding> {
    let (user, facts, project) =
        tokio::join!(gitlab.current_user(), gitlab.token_facts(), gitlab.project(path));
    let token = of_token(&user, &facts, at.clients.clock().now());
    let project = match project {
        Ok(project) => of_project(&project),
        Err(error) => Finding::of_named(PROJECT, &error),
    };
    let approval = match &user {
        Ok(user) => approval(at, gitlab, path, user).await,
        Err(_) => Finding::unknown(APPROVAL, NO_TOKEN, ""),
    };
    vec![token, project, approval]
}

fn of_token(
    user: &Result<User, ServiceError>,
    facts: &Result<Option<TokenFacts>, ServiceError>,
    now: jiff::Timestamp,
) -> Finding {
    let facts = match (user, facts) {
        (Err(error), _) | (Ok(_), Err(error)) => return Finding::of_error(TOKEN, error),
        (Ok(_), Ok(None)) => {
            let words = "accepted; GitLab tells neither scopes nor expiry of this kind of token";
            return Finding::untold(TOKEN, words, "Check at GitLab that it has the scope `api`.");
        }
        (Ok(_), Ok(Some(facts))) => facts,
    };
    if !facts.active {
        return Finding::missing(TOKEN, "GitLab says that it is not active", RENEW);
    }
    let scopes = facts.scopes.join(", ");
    let finding = if facts.scopes.iter().any(|scope| scope == SCOPE) {
        Finding::ok(TOKEN, format!("accepted, with the scopes {scopes}"))
    } else {
        Finding::missing(TOKEN, format!("it has the scopes {scopes}, and lacks `{SCOPE}`"), RENEW)
    };
    // It stops working at the beginning of that day (UTC).
    match facts.expires_at.map(|day| day.to_zoned(TimeZone::UTC)) {
        Some(Ok(end)) => finding.expiring(end.timestamp(), now, RENEW),
        Some(Err(_)) => finding.and("; its expiry cannot be read"),
        None => finding.and(", without an expiry"),
    }
}

fn of_project(project: &Project) -> Finding {
    let path = &project.path_with_namespace;
    let ask = format!("Ask the maintainers of {path} for the role Developer.");
    match project.access_level() {
        Some(level) if level >= DEVELOPER => {
            Finding::ok(PROJECT, format!("{path} is visible, and the token's account may change it"))
        }
        Some(_) => Finding::missing(PROJECT, format!("the token's account is no developer of {path}"), ask),
        None => {
            let words =
                format!("{path} is visible; GitLab does not show the role of the token's account in it");
            Finding::untold(PROJECT, words, ask)
        }
    }
}

/// Whether an approval counts: for a release, of its merge request; otherwise by the rules of the project, which ART replaces
/// in its merge requests.
async fn approval(at: &Examination<'_>, gitlab: &GitlabClient, path: &str, user: &User) -> Finding {
    if let Subject::Release(_) = at.subject {
        let Some(config) = at.config().await else {
            return Finding::unknown(APPROVAL, "the build data with the merge request could not be read", "");
        };
        return match config.shipment_mr() {
            Some(shipment) => {
                let base = config.settings().endpoints().base(Service::Gitlab);
                of_merge_request(gitlab, shipment, base, user).await
            }
            None => Finding::untold(APPROVAL, "the build data names no merge request yet", "").optional(),
        };
    }
    match gitlab.approval_rules(path).await {
        Ok(Some(rules)) => by_rules(&rules, user),
        Ok(None) => {
            Finding::untold(APPROVAL, "GitLab shows no rules of approval for the project", "").optional()
        }
        Err(error) => Finding::of_error(APPROVAL, &error),
    }
}

fn by_rules(rules: &[ApprovalRule], user: &User) -> Finding {
    let asks = |rule: &&ApprovalRule| rule.approvals_required > 0;
    let counts: Vec<Option<bool>> = rules.iter().filter(asks).map(|rule| rule.counts(user)).collect();
    if counts.is_empty() {
        return Finding::ok(APPROVAL, "the project has no rule that asks for an approval");
    }
    if counts.contains(&Some(true)) {
        return Finding::ok(APPROVAL, "an approval by the token's account counts for a rule of the project");
    }
    let names = rules.iter().filter(asks).map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ");
    if counts.contains(&None) {
        let words = format!("whether the token's account belongs to a rule ({names}) is not shown to it");
        return Finding::untold(APPROVAL, words, "Ask the maintainers of the project.");
    }
    Finding::warning(
        APPROVAL,
        format!("an approval by the token's account counts for no rule of the project ({names})"),
        "Ask ART to name the account in the rule for QE.",
    )
}

async fn of_merge_request(gitlab: &GitlabClient, shipment: &ShipmentUrl, base: &Url, user: &User) -> Finding {
    let Some(reference) = MergeRequestRef::new(shipment.project_at(base), shipment.iid()) else {
        return Finding::missing(APPROVAL, "the build data names no merge request", "Ask ART to correct it.");
    };
    let approvals = match gitlab.approvals(&reference).await {
        Ok(approvals) => approvals,
        Err(error) => return Finding::of_named(APPROVAL, &error),
    };
    if approvals.are_by(user) {
        return Finding::ok(APPROVAL, format!("the token's account has approved {reference}"));
    }
    match approvals.user_can_approve {
        Some(true) => Finding::ok(APPROVAL, format!("the token's account may approve {reference}")),
        Some(false) => Finding::missing(
            APPROVAL,
            format!("the token's account may not approve {reference}"),
            "Ask ART to name the account in the rule for QE; a merge request that is closed takes no approval.",
        ),
        None => Finding::untold(
            APPROVAL,
            format!("GitLab does not tell whether the token's account may approve {reference}"),
            "",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::FindingVerdict;
    use super::*;
    use crate::error::ServiceErrorKind;
    use crate::service::Service;

    fn user() -> User {
        User { id: 7, username: "bot".to_owned() }
    }

    #[test]
    fn a_token_needs_the_scope_and_ends_at_the_beginning_of_its_day() {
        use FindingVerdict::{Missing, Ok as Good, Unknown, Warning};
        let now: jiff::Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
        let facts = |scopes: &[&str], end: Option<(i16, i8, i8)>, active| {
            let scopes = scopes.iter().map(|one| (*one).to_owned()).collect();
            let expires_at = end.map(|(year, month, day)| jiff::civil::date(year, month, day));
            Ok(Some(TokenFacts { scopes, expires_at, active }))
        };
        for (facts, expected, words) in [
            (facts(&["api"], None, true), Good, "without an expiry"),
            (facts(&["api"], Some((2026, 12, 31)), true), Good, "in 182 days"),
            (facts(&["api"], Some((2026, 7, 3)), true), Warning, "expires on 2026-07-03"),
            (facts(&["api"], Some((2026, 7, 1)), true), Missing, "expired on 2026-07-01"),
            (facts(&["read_api"], None, true), Missing, "lacks `api`"),
            (facts(&["api"], None, false), Missing, "not active"),
            (Ok(None), Unknown, "neither scopes nor expiry"),
        ] {
            let found = of_token(&Ok(user()), &facts, now);
            assert_eq!(found.verdict, expected, "{}", found.text);
            assert!(found.text.contains(words), "{}", found.text);
        }
        let refused = || ServiceError::new(Service::Gitlab, "x", ServiceErrorKind::Unauthorized, "");
        assert_eq!(of_token(&Err(refused()), &Ok(None), now).verdict, Missing);
        let down = ServiceError::new(Service::Gitlab, "x", ServiceErrorKind::Unavailable, "");
        assert_eq!(of_token(&Ok(user()), &Err(down), now).verdict, Unknown);
    }

    #[test]
    fn an_approval_must_count_for_a_rule_that_asks_for_one() {
        use FindingVerdict::{Ok as Good, Unknown, Warning};
        let rule = |more: serde_json::Value| {
            let mut rule = serde_json::json!({"name": "QE", "rule_type": "regular", "approvals_required": 1});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<ApprovalRule>(rule).unwrap()
        };
        let named = rule(serde_json::json!({"eligible_approvers": [{"id": 7, "username": "bot"}]}));
        let other = || rule(serde_json::json!({"eligible_approvers": [{"id": 8, "username": "x"}]}));
        let hidden = rule(serde_json::json!({"contains_hidden_groups": true}));
        let unasked = rule(serde_json::json!({"approvals_required": 0}));
        for (rules, expected) in [
            (vec![], Good),
            (vec![unasked], Good),
            (vec![other(), named], Good),
            (vec![other()], Warning),
            (vec![other(), hidden], Unknown),
        ] {
            assert_eq!(by_rules(&rules, &user()).verdict, expected, "{rules:?}");
        }
    }
}
