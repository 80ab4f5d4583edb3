//! Properties of issues: values that programs keep at an issue and that people do not see.
//!
//! Setting one answers 201 when that created it and 200 when it was there (checked: Atlassian's description of
//! `PUT /rest/api/2/issue/{issueIdOrKey}/properties/{propertyKey}`). Of several programs that set a property which was not
//! there, one therefore learns that it was the first.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{Issue, IssueKey, JiraClient, body, unexpected};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

impl JiraClient {
    /// The issue with the named fields and all of its properties, as it is stored now.
    pub async fn issue_with_properties(
        &self,
        key: &IssueKey,
        fields: &[&str],
    ) -> Result<Issue, ServiceError> {
        let query = Serializer::new(String::new())
            .append_pair("fields", &fields.join(","))
            .append_pair("properties", "*all")
            .finish();
        let call = self.call("read issue", Method::GET, &format!("/issue/{key}?{query}"))?;
        let reply = self.send(call.about(key.as_str())).await?;
        self.decode(&reply)
    }

    /// Sets the property `name` and says whether that created it. The request is not sent after `not_after`.
    ///
    /// It is never repeated after an unclear fault: the answer to the second request would say that the property was there,
    /// and not who created it.
    pub async fn set_property(
        &self,
        key: &IssueKey,
        name: &str,
        value: &Value,
        not_after: Option<Timestamp>,
        permit: &WritePermit,
    ) -> Result<bool, ServiceError> {
        let call = self
            .call("set a property", Method::PUT, &format!("/issue/{key}/properties/{name}"))?
            .about(key.as_str())
            .body(body(value))
            .not_after(not_after)
            .permitted(permit);
        let reply = self.send(call).await?;
        match reply.status {
            StatusCode::CREATED => Ok(true),
            StatusCode::OK => Ok(false),
            _ => Err(unexpected(&reply)),
        }
    }

    /// Removes the property `name`; one that is not there is removed already. The request is not sent after `not_after`.
    pub async fn remove_property(
        &self,
        key: &IssueKey,
        name: &str,
        not_after: Option<Timestamp>,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let call = self
            .call("remove a property", Method::DELETE, &format!("/issue/{key}/properties/{name}"))?
            .about(key.as_str())
            .not_after(not_after)
            .permitted(permit);
        match self.send(call).await {
            Ok(reply) if reply.status == StatusCode::NO_CONTENT => Ok(()),
            Ok(reply) => Err(unexpected(&reply)),
            Err(error) if error.kind == ServiceErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
