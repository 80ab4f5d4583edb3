//! Many contents in few requests, over GraphQL.
//!
//! Every content is checked against its git hash. What does not match (binary content, a truncated or absent
//! text) is read over REST, one request each; so is everything when the token has no access to GraphQL.

use std::collections::HashMap;
use std::fmt::Write as _;

use futures::StreamExt;
use futures::stream::iter;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::transport::Purpose;
use super::tree::{TreeEntry, blob_id};
use super::{GithubClient, failure};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::Repository;

/// Contents per query.
const BATCH: usize = 50;
/// Bytes per query, so that an answer stays small.
const BATCH_BYTES: u64 = 1024 * 1024;
/// GitHub truncates a longer text; in bytes.
const LONGEST: u64 = 500_000;
/// Queries at the same time.
const QUERIES: usize = 4;
/// Up to this number, contents are read over REST, at the same time.
const FEW: usize = 4;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    errors: Option<Vec<Problem>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    repository: Option<HashMap<String, Option<Blob>>>,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
}

impl GithubClient {
    /// The contents of these entries by their git hashes, as far as GraphQL gives them: none when there are
    /// only a few, which REST reads as quickly, and none for a query that failed.
    pub(super) async fn texts(
        &self,
        repository: &Repository,
        entries: &[TreeEntry],
    ) -> HashMap<String, Vec<u8>> {
        let fits = |entry: &&TreeEntry| entry.size.is_some_and(|size| size <= LONGEST);
        let mut wanted: Vec<&TreeEntry> = entries.iter().filter(fits).collect();
        wanted.sort_by(|one, other| one.sha.cmp(&other.sha));
        wanted.dedup_by(|one, other| one.sha == other.sha);
        if wanted.len() <= FEW {
            return HashMap::new();
        }
        let queries = batches(&wanted).into_iter().map(|names| async move {
            let answer = self.query(repository, &names).await;
            answer.unwrap_or_else(|error| {
                tracing::debug!("contents are read one by one: {error}");
                HashMap::new()
            })
        });
        let found: Vec<HashMap<String, Vec<u8>>> = iter(queries).buffer_unordered(QUERIES).collect().await;
        found.into_iter().flatten().collect()
    }

    async fn query(
        &self,
        repository: &Repository,
        names: &[String],
    ) -> Result<HashMap<String, Vec<u8>>, ServiceError> {
        let purpose =
            Purpose { operation: "read files", subject: format!("{} contents of {repository}", names.len()) };
        let mut query = "query($owner:String!,$name:String!){repository(owner:$owner,name:$name){".to_owned();
        for (place, name) in names.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(query, "b{place}:object(oid:\"{name}\"){{...on Blob{{text}}}}");
        }
        query.push_str("}}");
        let variables = json!({"owner": repository.owner(), "name": repository.name()});
        let body: Value = json!({"query": query, "variables": variables});
        let request = http::Request::builder().method(Method::POST).uri("/graphql");
        let reply = self.send(request, Some(&body), purpose).await?;
        if reply.status != StatusCode::OK {
            return Err(failure::of(&reply));
        }
        let answer: Answer = reply.json()?;
        if let Some(problem) = answer.errors.unwrap_or_default().first() {
            tracing::debug!("GitHub answers a part of {} contents: {}", names.len(), problem.message);
        }
        let found = answer
            .data
            .and_then(|data| data.repository)
            .ok_or_else(|| reply.failure(ServiceErrorKind::Malformed, "the answer is about no repository"))?;
        let texts = found.into_values().flatten().filter_map(|blob| blob.text).map(String::into_bytes);
        // A truncated or changed text has another hash.
        let contents = texts.map(|text| (blob_id(&text), text));
        Ok(contents.filter(|(name, _)| names.contains(name)).collect())
    }
}

/// The hashes in groups, one query each.
fn batches(entries: &[&TreeEntry]) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.size.unwrap_or_default();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + size <= BATCH_BYTES => {
                bytes += size;
                batch.push(entry.sha.clone());
            }
            _ => {
                bytes = size;
                batches.push(vec![entry.sha.clone()]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_neither_too_many_contents_nor_too_many_bytes() {
        let entry = |number: usize, size: u64| -> TreeEntry {
            let value = json!({"path": format!("{number}"), "mode": "100644", "sha": format!("{number:040}"), "size": size});
            serde_json::from_value(value).unwrap()
        };
        let entries: Vec<TreeEntry> = (0..120).map(|number| entry(number, 10)).collect();
        let sizes = |entries: &[TreeEntry]| -> Vec<usize> {
            batches(&entries.iter().collect::<Vec<_>>()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&entries), [50, 50, 20]);
        let large: Vec<TreeEntry> = (0..5).map(|number| entry(number, 400_000)).collect();
        assert_eq!(sizes(&large), [2, 2, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
