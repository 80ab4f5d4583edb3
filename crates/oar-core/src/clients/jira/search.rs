//! Search by query (spec 02 §5.2 J-10). The index lags some seconds behind the stored issues: what must be
//! exact is read by key ([`JiraClient::issues`]).

use std::collections::BTreeSet;

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
        self.search_in_pages(jql, fields, PAGE).await
    }

    /// The same in pages of `size` issues, at most a hundred. An issue that moved from one page to another while they were
    /// read is there once.
    ///
    /// The token of a page expires. A search whose next page is refused for that begins once more from the start.
    pub async fn search_in_pages(
        &self,
        jql: &str,
        fields: &[&str],
        size: usize,
    ) -> Result<Vec<Issue>, ServiceError> {
        let size = size.clamp(1, PAGE);
        match self.all_pages(jql, fields, size).await {
            Err((error, true)) if error.kind == ServiceErrorKind::Rejected => {
                tracing::info!("{error}; the search begins once more");
                self.all_pages(jql, fields, size).await.map_err(|(error, _)| error)
            }
            outcome => outcome.map_err(|(error, _)| error),
        }
    }

    /// The issues, or the error and whether it came after the first page.
    async fn all_pages(
        &self,
        jql: &str,
        fields: &[&str],
        size: usize,
    ) -> Result<Vec<Issue>, (ServiceError, bool)> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(jql, fields, size, token.as_deref()).await;
            let page = page.map_err(|error| (error, token.is_some()))?;
            found.extend(page.issues.into_iter().filter(|issue| seen.insert(issue.identity().to_owned())));
            let next = page.next.filter(|_| page.is_last != Some(true));
            if next.is_none() {
                return Ok(found);
            }
            if next == token {
                let detail = "the next page is the same one again";
                let error =
                    ServiceError::new(Service::Jira, "search issues", ServiceErrorKind::Malformed, detail);
                return Err((error, true));
            }
            token = next;
        }
        let error = ServiceError::new(
            Service::Jira,
            "search issues",
            ServiceErrorKind::Malformed,
            format!("the search has more than {MOST_PAGES} pages"),
        );
        Err((error, true))
    }

    async fn page(
        &self,
        jql: &str,
        fields: &[&str],
        size: usize,
        token: Option<&str>,
    ) -> Result<Page, ServiceError> {
        let mut query = json!({ "jql": jql, "fields": fields, "maxResults": size });
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
