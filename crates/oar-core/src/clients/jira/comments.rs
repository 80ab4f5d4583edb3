//! The comments of an issue, newest first (spec 05 §3.1, 3).

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{Issue, IssueKey, JiraClient, moment};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// Comments per page.
const PER_PAGE: usize = 100;
/// The most pages that are read: ten thousand comments.
const MOST_PAGES: usize = 100;

/// How many comments issues were seen to be cut at (spec 05 §3.1, 3): a list of exactly that length may be cut, whatever
/// its total says.
const SEEN_CAPS: [usize; 4] = [20, 40, 50, 100];

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its number.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// Its text in wiki markup.
    pub body: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(deserialize_with = "empty::or_default")]
    comments: Vec<Entry>,
    #[serde(default)]
    total: Option<usize>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    created: Value,
    #[serde(default)]
    body: Option<String>,
}

impl Issue {
    /// The comments in the field `comment`, in any order, when they are certainly all of them. `None` when the list is cut
    /// or may be, or was not asked for: then [`JiraClient::comments_since`] reads them.
    pub fn all_comments(&self) -> Option<Vec<Comment>> {
        let page = Page::deserialize(self.field("comment")?).ok()?;
        let count = page.comments.len();
        if page.total != Some(count) || SEEN_CAPS.contains(&count) {
            return None;
        }
        let comment = |entry: Entry| {
            Some(Comment { at: moment(&entry.created)?, id: entry.id, body: entry.body.unwrap_or_default() })
        };
        page.comments.into_iter().map(comment).collect()
    }
}

impl JiraClient {
    /// The comments written at or after `since`, newest first; all of them without it.
    ///
    /// Pages are read until one has an older comment. A page that is shorter than asked for does not end the list while
    /// `total` says that there are more: the site's own limit may be smaller than ours.
    pub async fn comments_since(
        &self,
        key: &IssueKey,
        since: Option<Timestamp>,
    ) -> Result<Vec<Comment>, ServiceError> {
        const OPERATION: &str = "read comments";
        let (mut comments, mut seen) = (Vec::new(), 0);
        for _ in 0..MOST_PAGES {
            let query = Serializer::new(String::new())
                .append_pair("startAt", &seen.to_string())
                .append_pair("maxResults", &PER_PAGE.to_string())
                .append_pair("orderBy", "-created")
                .finish();
            let call = self.call(OPERATION, Method::GET, &format!("/issue/{key}/comment?{query}"))?;
            let reply = self.send(call.about(key.as_str())).await?;
            let page: Page = self.decode(&reply)?;
            let count = page.comments.len();
            seen += count;
            for entry in page.comments {
                let at = moment(&entry.created).ok_or_else(|| {
                    let detail =
                        format!("`created` of comment {} is {}, expected a time", entry.id, entry.created);
                    reply.failure(ServiceErrorKind::Malformed, detail)
                })?;
                if since.is_some_and(|since| at < since) {
                    return Ok(comments);
                }
                comments.push(Comment { id: entry.id, at, body: entry.body.unwrap_or_default() });
            }
            if count == 0 || page.total.map_or(count < PER_PAGE, |total| seen >= total) {
                return Ok(comments);
            }
        }
        Err(ServiceError::new(
            Service::Jira,
            OPERATION,
            ServiceErrorKind::Malformed,
            format!("{key} has more than {MOST_PAGES} pages of comments"),
        ))
    }
}
