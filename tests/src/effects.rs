//! What a run left behind at the services, in a form that two runs can be compared by.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::collections::BTreeMap;

use sandbox::services::jira::Write;

use crate::Harness;

/// What was done, and how everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// Effects that people see or that cannot be taken back: what, and how often it happened.
    pub counts: BTreeMap<String, usize>,
    /// How things stand that may change several times on the way: what, and its value.
    pub facts: BTreeMap<String, String>,
}

impl Effects {
    /// What happened in `harness` so far.
    pub fn of(harness: &Harness) -> Self {
        let mut effects = Self::default();
        effects.slack(harness);
        effects.errata(harness);
        effects.jira(harness);
        effects.gitlab(harness);
        effects.jobs(harness);
        for release in [crate::KONFLUX, crate::ERRATA] {
            effects.statebox(harness, release);
        }
        effects.builds(harness);
        effects
    }

    /// How many messages were sent.
    pub fn messages(&self) -> usize {
        self.sum("message ")
    }

    /// How many notes were added to merge requests.
    pub fn notes(&self) -> usize {
        self.counts.iter().filter(|(what, _)| what.ends_with(" note")).map(|(_, count)| count).sum()
    }

    /// How often each Jira issue was moved.
    pub fn transitions(&self) -> BTreeMap<&str, usize> {
        let moved = |(what, count): (&'_ String, &usize)| what.contains(" moved to ").then_some(*count);
        self.counts.iter().filter_map(|entry| Some((entry.0.as_str(), moved(entry)?))).collect()
    }

    /// How often what begins with `prefix` happened.
    pub fn sum(&self, prefix: &str) -> usize {
        self.counts.iter().filter(|(what, _)| what.starts_with(prefix)).map(|(_, count)| count).sum()
    }

    /// The effects of `expected`, or those that are there so far.
    ///
    /// # Panics
    /// When something happened more often than in `expected`.
    #[track_caller]
    pub fn assert_none_twice(&self, expected: &Self, context: &str) {
        for (what, count) in &self.counts {
            let most = expected.counts.get(what).copied().unwrap_or_default();
            assert!(*count <= most, "{what}: {count} times, at most {most} expected\n{context}");
        }
    }

    /// These effects without messages about problems, which are sent at most once.
    ///
    /// # Panics
    /// When it was said twice.
    #[must_use]
    pub fn without_trouble(mut self, context: &str) -> Self {
        self.counts.retain(|what, count| {
            let trouble = what.contains("/failed to ");
            assert!(!trouble || *count == 1, "{what}: {count} times\n{context}");
            !trouble
        });
        self
    }

    /// The same as `expected`, to the last fact.
    ///
    /// # Panics
    /// When something differs; only what differs is printed.
    #[track_caller]
    pub fn assert_same(&self, expected: &Self, context: &str) {
        let mut different = differences(&self.counts, &expected.counts);
        different.extend(differences(&self.facts, &expected.facts));
        assert!(different.is_empty(), "{}\n{context}", different.join("\n"));
    }

    fn happened(&mut self, what: String, count: usize) {
        if count > 0 {
            *self.counts.entry(what).or_default() += count;
        }
    }

    fn stands(&mut self, what: String, value: impl Into<String>) {
        self.facts.insert(what, value.into());
    }

    fn slack(&mut self, harness: &Harness) {
        for message in &harness.sandbox.world().slack.lock().messages {
            // What people write is no effect of a program.
            if message.bot_id.is_none() {
                continue;
            }
            let about = identity(message.metadata.as_ref());
            let about = match about.strip_prefix("slack-") {
                Some(of_command) => of_the_bot(of_command, &message.text),
                None => Some(about),
            };
            let Some(about) = about else { continue };
            self.happened(format!("message {about} to #{}", message.channel_name), 1);
        }
    }

    fn errata(&mut self, harness: &Harness) {
        for (id, advisory) in &harness.sandbox.world().errata.lock().advisories {
            for change in &advisory.state_changes {
                let (from, to) = (change.from.name(), change.to.name());
                self.happened(format!("advisory {id} moved from {from} to {to}"), 1);
            }
            for job in &advisory.push_jobs {
                self.happened(format!("advisory {id} pushed to {}", job.target), 1);
            }
            for (field, edits) in &advisory.edits {
                // What is sent again after an answer that never came, and changes nothing, is no second effect.
                self.happened(format!("advisory {id}: {field} changed"), edits.changed as usize);
            }
            self.happened(format!("advisory {id} comment"), advisory.comments.len());
            self.stands(format!("advisory {id} state"), advisory.state.name());
            self.stands(format!("advisory {id} owner"), &advisory.assigned_to);
            self.stands(format!("advisory {id} issues"), advisory.jira_issues.join(" "));
            self.stands(format!("advisory {id} security"), format!("{:?}", advisory.security_approved));
        }
    }

    fn jira(&mut self, harness: &Harness) {
        for issue in harness.sandbox.world().jira.lock().issues.values() {
            // Numbers of new issues are not the same in every run.
            let created = issue.writes.contains(&Write::Created);
            let name = if created { &issue.summary } else { &issue.key };
            for write in &issue.writes {
                let what = match write {
                    // Setting the same value again changes nothing; the changelog below shows what changed.
                    Write::Assigned(_) | Write::Edited(_) => continue,
                    Write::Created => "created".to_owned(),
                    Write::Transitioned { to, .. } => format!("moved to {to}"),
                    Write::Commented(_) => "comment".to_owned(),
                    Write::CommentEdited(_) => "comment edited".to_owned(),
                };
                self.happened(format!("issue {name} {what}"), 1);
            }
            for item in issue.changelog.iter().flat_map(|entry| &entry.items) {
                match item.field.as_str() {
                    "status" => {}
                    "assignee" => self.happened(format!("issue {name} assigned"), 1),
                    field => self.happened(format!("issue {name} {field} changed"), 1),
                }
            }
            self.stands(format!("issue {name} labels"), issue.labels.join(" "));
            let need_info = issue.custom.get("customfield_10482").map(ToString::to_string);
            self.stands(format!("issue {name} need info"), need_info.unwrap_or_default());
            self.stands(format!("issue {name} status"), &issue.status);
            self.stands(format!("issue {name} assignee"), issue.assignee.clone().unwrap_or_default());
        }
    }

    fn gitlab(&mut self, harness: &Harness) {
        let base = harness.sandbox.base_url();
        let gitlab = harness.sandbox.world().gitlab.lock();
        for request in &gitlab.merge_requests {
            let name = format!("merge request `{}`", request.title);
            self.happened(name.clone(), 1);
            self.happened(format!("{name} note"), request.notes_added as usize);
            self.happened(format!("{name} approval"), request.approved_by.len());
            self.stands(format!("{name} state"), request.state.name());
            self.stands(format!("{name} labels"), request.labels.join(" "));
            let notes: Vec<String> = request
                .notes
                .iter()
                .filter(|note| !note.system)
                .map(|note| note.body.lines().next().unwrap_or_default().replace(base, "SANDBOX"))
                .collect();
            self.stands(format!("{name} notes"), notes.join(" / "));
        }
        for project in &gitlab.projects {
            for (branch, content) in &project.branches {
                let branch = without_stamps(branch);
                for (path, text) in &content.files {
                    self.stands(format!("file {}/{branch}/{path}", project.path), text);
                }
            }
        }
    }

    fn jobs(&mut self, harness: &Harness) {
        let now = harness.sandbox.clock().now();
        {
            let mut jenkins = harness.sandbox.world().jenkins.lock();
            jenkins.advance(now);
            let waiting = jenkins.items.iter().filter(|item| item.left.is_none());
            let waiting = waiting.map(|item| (&item.job, &item.parameters));
            let builds = jenkins
                .jobs
                .iter()
                .flat_map(|job| job.builds.iter().map(move |build| (&job.path, &build.parameters)));
            for (job, parameters) in waiting.chain(builds) {
                let payload = parameters.iter().find(|(name, _)| name == "PULL_SPEC");
                let payload = payload.and_then(|(_, value)| value.as_str()).unwrap_or("no payload");
                self.happened(format!("Jenkins build of {job} for {payload}"), 1);
            }
        }
        for job in &harness.sandbox.world().prow.lock().jobs {
            let payload = job.envs.get("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL").cloned();
            let payload = payload.unwrap_or_else(|| job.envs.values().cloned().collect::<Vec<_>>().join(" "));
            self.happened(format!("Prow job {} for {payload}", job.job), 1);
        }
    }

    /// What the records of builds say, without what differs from run to run: ids and times.
    fn builds(&mut self, harness: &Harness) {
        for (name, text) in harness.records() {
            let Ok(file) = serde_json::from_str::<serde_json::Value>(&text) else {
                self.stands(name, text);
                continue;
            };
            for job in file["result"].as_array().into_iter().flatten() {
                let retried = job["retriedJobs"].as_array().into_iter().flatten();
                let runs: Vec<String> = std::iter::once(&job["firstJob"]).chain(retried).map(run).collect();
                self.stands(format!("{name} {}", job["jobName"]), runs.join(", "));
            }
            self.stands(format!("{name} build"), format!("{}{}", file["build"], file["name"]));
            for flag in ["aggregated", "accepted", "manual_promotion"] {
                self.stands(format!("{name} {flag}"), file[flag].to_string());
            }
        }
        let kubernetes = harness.sandbox.world().kubernetes.lock();
        let labelled = kubernetes.payloads_with("amd64", "release.openshift.io/qe_state", "Accepted");
        self.stands("labelled payloads".to_owned(), labelled.into_iter().collect::<Vec<_>>().join(" "));
    }

    /// What the state says, without what differs from run to run: times, ids, logs, the history.
    fn statebox(&mut self, harness: &Harness, release: &str) {
        let Some(text) = harness.statebox(release) else { return };
        let state: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        for task in state["tasks"].as_sequence().unwrap() {
            let name = format!("{release} {}", task["name"].as_str().unwrap());
            self.stands(format!("{name} status"), task["status"].as_str().unwrap());
            self.stands(format!("{name} waits"), (!task["wait"].is_null()).to_string());
            self.stands(format!("{name} has a job"), (!task["job"].is_null()).to_string());
            let consents = task["consents"].as_sequence().into_iter().flatten();
            for consent in consents.filter(|consent| consent["withdrawn"].is_null()) {
                self.happened(format!("{name} consent to {}", consent["command"].as_str().unwrap()), 1);
            }
            if !task["bugs"].is_null() {
                self.stands(format!("{name} bugs"), serde_yaml::to_string(&task["bugs"]).unwrap());
            }
        }
        for issue in state["issues"].as_sequence().unwrap() {
            let text = issue["issue"].as_str().unwrap();
            let resolved = issue["resolved"].as_bool().unwrap();
            let what = format!("{release} issue `{text}`");
            assert!(
                !self.facts.contains_key(&what),
                "{what} occurs twice:\n{}",
                harness.statebox(release).unwrap()
            );
            self.stands(what, if resolved { "resolved" } else { "open" });
        }
    }
}

fn differences<T: PartialEq + std::fmt::Debug>(
    found: &BTreeMap<String, T>,
    expected: &BTreeMap<String, T>,
) -> Vec<String> {
    let mut keys: Vec<&String> = found.keys().chain(expected.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| found.get(*key) != expected.get(*key))
        .map(|key| format!("{key}: {:?}, expected {:?}", found.get(key), expected.get(key)))
        .collect()
}

/// A run in a record: how it stands, and what is known of it.
fn run(run: &serde_json::Value) -> String {
    let intended = run["jobID"].as_str().is_none_or(|id| id.starts_with("intent-"));
    let known = ["jobID", "jobURL", "jobStartTime", "jobCompletionTime", "testResultSummary"];
    let known: Vec<&str> = known.into_iter().filter(|key| !run[key].is_null()).collect();
    format!("{} {} intended: {intended}", run["jobState"], known.join(" "))
}

/// A branch's name without the time in it.
fn without_stamps(branch: &str) -> String {
    let parts = branch.split('-');
    let stamp = |part: &str| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.map(|part| if stamp(part) { "TIME" } else { part }).collect::<Vec<_>>().join("-")
}

/// What the Slack bot said of a command, whichever message the command was: somebody who was told that it was not done writes it
/// again. Whether its progress was shown depends on how long it took.
fn of_the_bot(key: &str, text: &str) -> Option<String> {
    // After the channel and the time stamp.
    let name = key.splitn(3, '-').nth(2).unwrap_or(key);
    let is_done = name == "answer" && text.lines().next().is_some_and(|first| first.ends_with(": done"));
    match name {
        _ if is_done => Some("of the bot: done".to_owned()),
        _ if name.starts_with("progress-") => None,
        _ => Some(format!("of the bot/failed to finish ({name})")),
    }
}

/// The release, the task and the subject of a key; the rest is for the run and for facts such as addresses,
/// which contain this sandbox's port. The text may differ, because names are written out when Slack does not
/// say whom to mention.
fn identity(metadata: Option<&serde_json::Value>) -> String {
    let key =
        metadata.and_then(|metadata| metadata["event_payload"]["key"].as_str()).unwrap_or("without a key");
    key.split('/').take(3).collect::<Vec<_>>().join("/")
}
