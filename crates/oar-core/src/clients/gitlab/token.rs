//! What GitLab says of the token itself, and who may approve in a project (spec 03 §2.1).

use gitlab::api::personal_access_tokens::PersonalAccessTokenSelf;
use gitlab::api::projects::approval_rules::ProjectApprovalRules;
use jiff::civil::Date;
use serde::Deserialize;

use super::{GitlabClient, User, pages, query, unbuildable};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};

/// The most approval rules of a project that are read.
const RULES_LIMIT: usize = 200;

/// What GitLab says of a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenFacts {
    /// What it may be used for.
    #[serde(default, deserialize_with = "empty::list")]
    pub scopes: Vec<String>,
    /// The day at whose beginning (UTC) it stops working; `None` for never.
    #[serde(default)]
    pub expires_at: Option<Date>,
    /// Whether it works.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// A rule of approval.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApprovalRule {
    /// Its name.
    pub name: String,
    /// Its kind: whoever may write can satisfy an `any_approver`.
    #[serde(default)]
    rule_type: String,
    /// How many approvals it needs.
    #[serde(default)]
    pub approvals_required: u64,
    /// Who may give one, as far as the token's owner sees them.
    #[serde(default, deserialize_with = "empty::list")]
    eligible_approvers: Vec<User>,
    /// Whether it has groups whose members the token's owner does not see.
    #[serde(default, deserialize_with = "empty::flag")]
    contains_hidden_groups: bool,
}

impl ApprovalRule {
    /// Whether an approval by `user` counts for it; `None` when GitLab does not show everybody.
    pub fn counts(&self, user: &User) -> Option<bool> {
        let is_named = self.eligible_approvers.iter().any(|approver| approver.id == user.id);
        match (is_named || self.rule_type == "any_approver", self.contains_hidden_groups) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        }
    }
}

impl GitlabClient {
    /// What GitLab says of the token; `None` when it says nothing: older servers, and tokens of another kind.
    pub async fn token_facts(&self) -> Result<Option<TokenFacts>, ServiceError> {
        let operation = self.read("look at the own token", String::from("GITLAB_TOKEN"));
        let endpoint =
            PersonalAccessTokenSelf::builder().build().map_err(|error| unbuildable(&operation, error))?;
        untold(query(endpoint, &operation).await)
    }

    /// The rules of approval for a project's merge requests; `None` when GitLab shows none: servers without that feature, and
    /// owners of tokens who may not see them.
    pub async fn approval_rules(&self, project: &str) -> Result<Option<Vec<ApprovalRule>>, ServiceError> {
        let operation = self.read("read the approval rules", project.to_owned());
        let endpoint = ProjectApprovalRules::builder()
            .project(project)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        untold(pages(endpoint, RULES_LIMIT, &operation).await)
    }
}

fn untold<T>(answer: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if error.kind == ServiceErrorKind::NotFound
                || (error.kind == ServiceErrorKind::Rejected && error.status == Some(400)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http};

    async fn facts(answer: ResponseTemplate) -> Result<Option<TokenFacts>, ServiceError> {
        let server = MockServer::start().await;
        let at = path("/api/v4/personal_access_tokens/self");
        Mock::given(method("GET")).and(at).respond_with(answer).mount(&server).await;
        let client = GitlabClient::new(http(1), base(&server, ""), Some("glpat-a".to_owned().into()));
        client.token_facts().await
    }

    #[tokio::test]
    async fn a_token_tells_its_scopes_and_its_end() {
        let answer = json!({
            "id": 4, "revoked": false, "scopes": ["api"], "user_id": 24, "active": true,
            "expires_at": "2026-12-31", "created_at": "2020-07-23T14:31:47.729Z",
        });
        let found = facts(ResponseTemplate::new(200).set_body_json(answer)).await.unwrap().unwrap();
        assert_eq!(found.expires_at, Some(jiff::civil::date(2026, 12, 31)));
        assert_eq!((found.scopes.as_slice(), found.active), (&["api".to_owned()][..], true));
        let never = json!({"scopes": null, "expires_at": null});
        let found = facts(ResponseTemplate::new(200).set_body_json(never)).await.unwrap().unwrap();
        assert_eq!(found, TokenFacts { scopes: Vec::new(), expires_at: None, active: true });
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_and_one_that_refuses_are_not_the_same() {
        for status in [400, 404] {
            let answer = ResponseTemplate::new(status).set_body_json(json!({"message": "x"}));
            assert_eq!(facts(answer).await.unwrap(), None, "{status}");
        }
        for (status, kind) in [(401, ServiceErrorKind::Unauthorized), (500, ServiceErrorKind::Unavailable)] {
            let answer = ResponseTemplate::new(status).set_body_json(json!({"message": "x"}));
            assert_eq!(facts(answer).await.unwrap_err().kind, kind);
        }
        let damaged = ResponseTemplate::new(200).set_body_json(json!({"expires_at": "soon"}));
        assert_eq!(facts(damaged).await.unwrap_err().kind, ServiceErrorKind::Malformed);
    }

    #[test]
    fn an_approval_counts_for_a_rule_that_names_the_account_or_everybody() {
        let rule = |more: serde_json::Value| {
            let mut rule = json!({"name": "QE", "rule_type": "regular", "approvals_required": 1});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<ApprovalRule>(rule).unwrap()
        };
        let user = User { id: 7, username: "lead".to_owned() };
        let others = json!([{"id": 8, "username": "other"}]);
        for (more, expected) in [
            (json!({"eligible_approvers": [{"id": 7, "username": "lead"}]}), Some(true)),
            (json!({"eligible_approvers": others}), Some(false)),
            (json!({"eligible_approvers": others, "contains_hidden_groups": true}), None),
            (json!({"rule_type": "any_approver", "eligible_approvers": null}), Some(true)),
        ] {
            assert_eq!(rule(more.clone()).counts(&user), expected, "{more}");
        }
    }
}
