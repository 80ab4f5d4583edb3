//! Search by query (spec 02 §5.2 J-10). The index lags some seconds behind the stored issues: what must be
//! exact is read by key ([`JiraClient::issues`]).

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Issue, JiraClient, body};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// The most issues per page when fields are requested (spec 02 §11.5).
const PAGE: usize = 100;

/// The most pages that a search reads: far more than any query of this program has.
const MOST_PAGES: usize = 200;

#[derive(Deserialize)]
struct Page {
    #[serde(deserialize_with = "empty::or_default")]
    issues: Vec<Issue>,
    #[serde(default, rename = "nextPageToken", deserialize_with = "empty::or_default")]
    next: Option<String>,
    #[serde(default, rename = "isLast")]
    is_last: Option<bool>,
}

impl JiraClient {
    /// Every issue that the query finds, with the named fields only, page by page.
    pub async fn search(&self, jql: &str, fields: &[&str]) -> Result<Vec<Issue>, ServiceError> {
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(jql, fields, token.as_deref()).await?;
            found.extend(page.issues);
            token = page.next.filter(|_| page.is_last != Some(true));
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(ServiceError::new(
            Service::Jira,
            "search issues",
            ServiceErrorKind::Malformed,
            format!("the search has more than {MOST_PAGES} pages"),
        ))
    }

    async fn page(&self, jql: &str, fields: &[&str], token: Option<&str>) -> Result<Page, ServiceError> {
        let mut query = json!({ "jql": jql, "fields": fields, "maxResults": PAGE });
        if let Some(token) = token {
            query["nextPageToken"] = json!(token);
        }
        let call = self
            .call("search issues", Method::POST, "/search/jql")?
            .body(body(&query))
            // A read, although it is a POST because of long queries.
            .read();
        self.decode(&self.exchange(call).await?)
    }
}

/// `text` as a quoted string of the query language.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
