//! What the account may do in a project (spec 02 §5.2).

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::JiraClient;
use crate::error::ServiceError;

#[derive(Deserialize)]
struct Permissions {
    permissions: BTreeMap<String, Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    have_permission: bool,
}

impl JiraClient {
    /// Those of `wanted` (`BROWSE_PROJECTS`, …) that the account does not have in the project with this key. Jira answers for
    /// the project: for some of its issues the account may still lack a right.
    pub async fn permissions_lacking(
        &self,
        project: &str,
        wanted: &[&'static str],
    ) -> Result<Vec<&'static str>, ServiceError> {
        let query = Serializer::new(String::new())
            .append_pair("projectKey", project)
            .append_pair("permissions", &wanted.join(","))
            .finish();
        let call = self.call("read the own permissions", Method::GET, &format!("/mypermissions?{query}"))?;
        let reply = self.exchange(call.about(format!("project {project}"))).await?;
        let held: Permissions = self.decode(&reply)?;
        let has = |key: &&'static str| held.permissions.get(*key).is_some_and(|one| one.have_permission);
        Ok(wanted.iter().filter(|key| !has(key)).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http};
    use crate::error::ServiceErrorKind;

    async fn lacking(answer: ResponseTemplate) -> Result<Vec<&'static str>, ServiceError> {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/rest/api/2/mypermissions"))
            .and(query_param("projectKey", "ART"))
            .and(query_param("permissions", "BROWSE_PROJECTS,EDIT_ISSUES"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let secret = |text: &str| text.to_owned().into();
        let client = JiraClient::new(http(1), base(&server, ""), &secret("a@example.com"), &secret("t"));
        client.unwrap().permissions_lacking("ART", &["BROWSE_PROJECTS", "EDIT_ISSUES"]).await
    }

    #[tokio::test]
    async fn a_permission_that_is_refused_or_not_named_is_lacking() {
        let row = |has: bool| json!({"id": "10", "key": "x", "name": "X", "type": "PROJECT", "havePermission": has});
        let answer = json!({"permissions": {"BROWSE_PROJECTS": row(true), "EDIT_ISSUES": row(false)}});
        let found = lacking(ResponseTemplate::new(200).set_body_json(answer)).await.unwrap();
        assert_eq!(found, ["EDIT_ISSUES"]);
        let answer = json!({"permissions": {"EDIT_ISSUES": row(true)}});
        let found = lacking(ResponseTemplate::new(200).set_body_json(answer)).await.unwrap();
        assert_eq!(found, ["BROWSE_PROJECTS"]);
    }

    #[tokio::test]
    async fn an_answer_that_says_nothing_is_an_error() {
        for body in [json!({}), json!({"permissions": {"EDIT_ISSUES": {}}})] {
            let error = lacking(ResponseTemplate::new(200).set_body_json(body)).await.unwrap_err();
            assert_eq!(error.kind, ServiceErrorKind::Malformed);
        }
        let error = lacking(ResponseTemplate::new(404).set_body_json(json!({}))).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::NotFound);
    }
}
