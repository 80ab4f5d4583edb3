//! What a run left behind at the services, in a form that two runs can be compared by.

use std::collections::BTreeMap;

use crate::{Harness, RecordedRequest};

/// Effects that people see or that cannot be taken back, each with how often it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// What each Slack message is about: its key without the run that sent it. The words may differ, because names are
    /// spelled out when Slack does not tell whom to mention.
    pub messages: Vec<String>,
    /// How many notes were added to merge requests.
    pub notes: usize,
    /// How often each Jira issue was moved.
    pub transitions: BTreeMap<String, usize>,
}

impl Effects {
    /// What happened in `harness` so far.
    pub fn of(harness: &Harness) -> Self {
        let requests = harness.sandbox.requests();
        let acted =
            |request: &&RecordedRequest| request.acted && request.status.is_none_or(|status| status < 300);
        let notes = requests
            .iter()
            .filter(acted)
            .filter(|request| {
                request.service == "gitlab" && request.method == "POST" && request.path.ends_with("/notes")
            })
            .count();
        let mut transitions = BTreeMap::new();
        for request in requests.iter().filter(acted) {
            if request.service == "jira" && request.method == "POST" && request.path.ends_with("/transitions")
            {
                *transitions.entry(request.path.clone()).or_insert(0) += 1;
            }
        }
        let slack = harness.sandbox.world().slack.lock();
        let messages = slack.messages.iter().map(|message| identity(message.metadata.as_ref())).collect();
        Self { messages, notes, transitions }
    }

    /// The same effects as `expected`, or those that are there so far.
    ///
    /// # Panics
    /// When an effect happened more often than in `expected`.
    #[track_caller]
    pub fn assert_none_twice(&self, expected: &Self, context: &str) {
        for message in &self.messages {
            let count = |messages: &[String]| messages.iter().filter(|other| *other == message).count();
            assert!(
                count(&self.messages) <= count(&expected.messages),
                "message twice or unknown: {message}\n{context}"
            );
        }
        assert!(self.notes <= expected.notes, "{} notes\n{context}", self.notes);
        for (issue, count) in &self.transitions {
            assert!(
                count <= expected.transitions.get(issue).unwrap_or(&0),
                "{issue} moved {count} times\n{context}"
            );
        }
    }
}

/// The release, the task and the matter of a key; the rest stands for the run and for facts such as addresses, which
/// hold this sandbox's port.
fn identity(metadata: Option<&serde_json::Value>) -> String {
    let key =
        metadata.and_then(|metadata| metadata["event_payload"]["key"].as_str()).unwrap_or("without a key");
    key.split('/').take(3).collect::<Vec<_>>().join("/")
}
