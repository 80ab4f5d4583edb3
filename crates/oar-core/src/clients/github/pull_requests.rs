//! Labels of many pull requests in few requests, over GraphQL.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::transport::{OnlyReads, Purpose};
use super::{GithubClient, failure};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::Repository;

/// How many pull requests one query asks for.
const BATCH: usize = 50;
/// How many labels of a pull request are read; GitHub gives no more at once.
const MOST_LABELS: usize = 100;
/// What GitHub says of a part that it left out because the whole query was too heavy (spec 05 §2.1, 9).
const TOO_HEAVY: &str = "RESOURCE_LIMITS_EXCEEDED";
/// What GitHub says of a part that it does not show: there is nothing, or the token may not see it.
const HIDDEN: [&str; 2] = ["NOT_FOUND", "FORBIDDEN"];

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PullRequest {
    /// Its repository.
    pub repository: Repository,
    /// Its number there.
    pub number: u64,
}

impl fmt::Display for PullRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.repository, self.number)
    }
}

/// What GitHub says of a pull request's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// All of them.
    All(Vec<String>),
    /// GitHub does not show the pull request, and says so: there is none, or the token may not see it.
    Hidden(String),
    /// Why they are not known now: GitHub did not answer, or not completely.
    Unknown(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "empty::or_default")]
    data: BTreeMap<String, Option<RepositoryAnswer>>,
    #[serde(default, deserialize_with = "empty::or_default")]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryAnswer {
    #[serde(default)]
    pull_request: Option<PullRequestAnswer>,
}

#[derive(Deserialize)]
struct PullRequestAnswer {
    #[serde(default)]
    labels: Option<LabelsAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LabelsAnswer {
    #[serde(default)]
    total_count: Option<usize>,
    #[serde(default)]
    nodes: Vec<Option<LabelAnswer>>,
}

#[derive(Deserialize)]
struct LabelAnswer {
    name: String,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default, rename = "type", deserialize_with = "empty::or_default")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    message: String,
    #[serde(default, deserialize_with = "empty::or_default")]
    path: Vec<Value>,
}

impl GithubClient {
    /// The labels of these pull requests, fifty in a request.
    ///
    /// An answer may hold only a part: what it leaves out because the query was too heavy is asked for again in smaller
    /// parts. Anything else that it leaves out is hidden if GitHub says so, otherwise unknown. An error means that a request
    /// failed; nothing is known then.
    pub async fn pull_request_labels(
        &self,
        pull_requests: &[PullRequest],
    ) -> Result<BTreeMap<PullRequest, Labels>, ServiceError> {
        let mut known = BTreeMap::new();
        let mut left: Vec<&[PullRequest]> = pull_requests.chunks(BATCH).collect();
        while let Some(batch) = left.pop() {
            for (pull_request, labels) in batch.iter().zip(self.labels_of(batch).await?) {
                match labels {
                    Some(labels) => drop(known.insert(pull_request.clone(), labels)),
                    None if batch.len() == 1 => {
                        let why = "GitHub finds the query too heavy".to_owned();
                        known.insert(pull_request.clone(), Labels::Unknown(why));
                    }
                    None => {}
                }
            }
            if batch.iter().any(|pull_request| !known.contains_key(pull_request)) {
                // Answered ones are asked for again with their neighbors; each half is lighter than the whole.
                let (first, second) = batch.split_at(batch.len() / 2);
                left.extend([first, second]);
            }
        }
        Ok(known)
    }

    /// The labels of each; `None` for one that was left out because the query was too heavy.
    async fn labels_of(&self, batch: &[PullRequest]) -> Result<Vec<Option<Labels>>, ServiceError> {
        let purpose = Purpose {
            operation: "read labels of pull requests",
            subject: match batch {
                [one] => one.to_string(),
                several => format!("{} pull requests", several.len()),
            },
        };
        let mut query = "query{".to_owned();
        for (place, PullRequest { repository, number }) in batch.iter().enumerate() {
            // Names of repositories hold no quotation marks; writing to a String cannot fail.
            let _ = write!(
                query,
                "p{place}:repository(owner:\"{}\",name:\"{}\"){{pullRequest(number:{number}){{\
                 labels(first:{MOST_LABELS}){{totalCount nodes{{name}}}}}}}}",
                repository.owner(),
                repository.name()
            );
        }
        query.push('}');
        let request = http::Request::builder().method(Method::POST).uri("/graphql").extension(OnlyReads);
        let reply = self.send(request, Some(&json!({ "query": query })), purpose).await?;
        if reply.status != StatusCode::OK {
            return Err(failure::of(&reply));
        }
        let mut answer: Answer = reply.json()?;
        if answer.data.is_empty() && !batch.is_empty() {
            let too_heavy = answer.errors.iter().any(|error| error.kind.as_deref() == Some(TOO_HEAVY));
            if too_heavy {
                return Ok(batch.iter().map(|_| None).collect());
            }
            let words = answer.errors.into_iter().next().map(|error| error.message);
            let words = words.unwrap_or_else(|| "the answer holds nothing".to_owned());
            return Err(reply.failure(ServiceErrorKind::Malformed, words));
        }
        let labels = |place: usize| {
            let alias = format!("p{place}");
            let found = answer.data.remove(&alias).flatten().and_then(|found| found.pull_request);
            if let Some(labels) = found.and_then(|found| found.labels) {
                return Some(all_of(labels));
            }
            // A problem without a path is one of the whole query.
            let about =
                |error: &&Problem| error.path.first().is_none_or(|first| first.as_str() == Some(&*alias));
            let problem = answer.errors.iter().find(about);
            if problem.is_some_and(|problem| problem.kind.as_deref() == Some(TOO_HEAVY)) {
                return None;
            }
            let Some(problem) = problem else {
                return Some(Labels::Unknown("GitHub says nothing about it".to_owned()));
            };
            let words = problem.message.clone();
            let hidden = problem.kind.as_deref().is_some_and(|kind| HIDDEN.contains(&kind));
            Some(if hidden { Labels::Hidden(words) } else { Labels::Unknown(words) })
        };
        Ok((0..batch.len()).map(labels).collect())
    }
}

fn all_of(labels: LabelsAnswer) -> Labels {
    let names: Vec<String> = labels.nodes.into_iter().flatten().map(|label| label.name).collect();
    match labels.total_count {
        Some(total) if total == names.len() => Labels::All(names),
        _ => Labels::Unknown("GitHub does not show all of its labels".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, Request};

    use super::*;
    use crate::clients::testing::{base, http, ok};

    fn pulls(count: u64) -> Vec<PullRequest> {
        (0..count)
            .map(|number| PullRequest { repository: "openshift/demo".parse().unwrap(), number })
            .collect()
    }

    /// How many pull requests a query asks for.
    fn asked(request: &Request) -> usize {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["query"].as_str().unwrap().matches("pullRequest(").count()
    }

    fn labels(names: &[&str]) -> Value {
        let nodes: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        json!({"pullRequest": {"labels": {"totalCount": names.len(), "nodes": nodes}}})
    }

    async fn server(
        answer: impl Fn(&Request) -> Value + Send + Sync + 'static,
    ) -> (MockServer, GithubClient) {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/github/graphql"))
            .respond_with(move |request: &Request| ok(answer(request)))
            .mount(&server)
            .await;
        let client = GithubClient::new(http(2), base(&server, "/github"), Some("token-of-tests".into()));
        (server, client)
    }

    #[tokio::test]
    async fn fifty_are_asked_for_at_once() {
        let (server, client) = server(|request| {
            let data: serde_json::Map<String, Value> =
                (0..asked(request)).map(|place| (format!("p{place}"), labels(&["verified"]))).collect();
            json!({ "data": data })
        })
        .await;
        let known = client.pull_request_labels(&pulls(120)).await.unwrap();
        assert_eq!(known.len(), 120);
        assert!(known.values().all(|labels| *labels == Labels::All(vec!["verified".to_owned()])));
        let mut counts: Vec<usize> = server.received_requests().await.unwrap().iter().map(asked).collect();
        counts.sort_unstable();
        assert_eq!(counts, [20, 50, 50]);
        assert!(client.pull_request_labels(&[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_a_partial_answer_leaves_out_is_hidden_or_unknown() {
        let (_server, client) = server(|_| {
            json!({
                "data": {"p0": labels(&["a"]), "p1": {"pullRequest": null}, "p2": null, "p3": null},
                "errors": [
                    {"type": "NOT_FOUND", "path": ["p1", "pullRequest"], "message": "no such pull request"},
                    {"type": "NOT_FOUND", "path": ["p2"], "message": "no such repository"},
                ],
            })
        })
        .await;
        let known = client.pull_request_labels(&pulls(4)).await.unwrap();
        let found: Vec<&Labels> = known.values().collect();
        assert_eq!(found[0], &Labels::All(vec!["a".to_owned()]));
        assert_eq!(found[1], &Labels::Hidden("no such pull request".to_owned()));
        assert_eq!(found[2], &Labels::Hidden("no such repository".to_owned()));
        assert!(matches!(found[3], Labels::Unknown(_)));
        let (_server, client) = server(|_| {
            json!({
                "data": {"p0": {"pullRequest": null}, "p1": null, "p2": null},
                "errors": [
                    {"type": "FORBIDDEN", "path": ["p0", "pullRequest"], "message": "not for this token"},
                    {"path": ["p1"], "message": "Something went wrong while executing your query."},
                    {"type": "INTERNAL", "path": ["p2"], "message": "broken"},
                ],
            })
        })
        .await;
        let known = client.pull_request_labels(&pulls(3)).await.unwrap();
        let found: Vec<&Labels> = known.values().collect();
        assert_eq!(found[0], &Labels::Hidden("not for this token".to_owned()));
        assert!(matches!(found[1..], [Labels::Unknown(_), Labels::Unknown(_)]), "{found:?}");
    }

    #[tokio::test]
    async fn a_query_that_is_too_heavy_is_asked_in_parts() {
        let (_server, client) = server(|request| {
            let answered = |place: usize| if place < 3 { labels(&["a"]) } else { Value::Null };
            let data: serde_json::Map<String, Value> =
                (0..asked(request)).map(|place| (format!("p{place}"), answered(place))).collect();
            let errors: Vec<Value> = (3..asked(request))
                .map(
                    |place| json!({"type": TOO_HEAVY, "path": [format!("p{place}")], "message": "too heavy"}),
                )
                .collect();
            json!({"data": data, "errors": errors})
        })
        .await;
        let known = client.pull_request_labels(&pulls(40)).await.unwrap();
        assert_eq!(known.len(), 40);
        assert!(known.values().all(|labels| matches!(labels, Labels::All(_))), "{known:?}");
        let (_server, client) =
            self::server(|_| json!({"data": null, "errors": [{"type": TOO_HEAVY, "message": "too heavy"}]}))
                .await;
        let known = client.pull_request_labels(&pulls(3)).await.unwrap();
        assert!(known.values().all(|labels| matches!(labels, Labels::Unknown(_))) && known.len() == 3);
    }

    #[tokio::test]
    async fn more_labels_than_one_answer_holds_are_unknown_and_no_answer_is_an_error() {
        let (_server, client) = server(|_| {
            json!({"data": {"p0": {"pullRequest": {"labels": {"totalCount": 101, "nodes": [{"name": "verified"}, null]}}}}})
        })
        .await;
        let known = client.pull_request_labels(&pulls(1)).await.unwrap();
        assert!(matches!(known.values().next(), Some(Labels::Unknown(_))));
        let (_server, client) =
            self::server(|_| json!({"data": null, "errors": [{"message": "broken"}]})).await;
        assert!(client.pull_request_labels(&pulls(1)).await.unwrap_err().to_string().contains("broken"));
    }
}
