//! What the demonstration did to the world, counted: everything that people see or that cannot be taken back happened once.

use std::collections::BTreeMap;

use crate::{
    scenario::{ERRATA_RELEASE, KONFLUX_RELEASE, jenkins::STAGE_JOB},
    services::jira::Write,
    world::World,
};

/// What is counted, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Push,
    ProwJob,
    StageBuild,
    Move,
    Approval,
    Note,
    Issue,
    Transition,
    Comment,
    Message,
}

impl Kind {
    fn words(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Push => ("push to staging", "pushes to staging"),
            Self::ProwJob => ("Prow job of a release", "Prow jobs of the releases"),
            Self::StageBuild => ("test on stage", "tests on stage"),
            Self::Move => ("move of an advisory", "moves of advisories"),
            Self::Approval => ("approval of the shipment", "approvals of the shipment"),
            Self::Note => ("note on a merge request", "notes on merge requests"),
            Self::Issue => ("new Jira issue", "new Jira issues"),
            Self::Transition => ("move of a Jira issue", "moves of Jira issues"),
            Self::Comment => ("comment on a Jira issue", "comments on Jira issues"),
            Self::Message => ("message in Slack", "messages in Slack"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

/// What was done, in a sentence; the error names what was done more than once.
pub(super) fn all_once(world: &World) -> Result<String, String> {
    let effects = effects(world);
    let twice: Vec<String> = effects
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|((_, what), count)| format!("{what} ({count} times)"))
        .collect();
    if !twice.is_empty() {
        return Err(twice.join(", "));
    }
    let mut sums: BTreeMap<Kind, usize> = BTreeMap::new();
    for (kind, _) in effects.keys() {
        *sums.entry(*kind).or_default() += 1;
    }
    let words: Vec<String> = sums.into_iter().map(|(kind, count)| kind.words(count)).collect();
    Ok(words.join(", "))
}

/// How often each thing was done.
fn effects(world: &World) -> BTreeMap<(Kind, String), usize> {
    let mut effects: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    let mut happened = |kind, what: String| *effects.entry((kind, what)).or_default() += 1;
    for (id, advisory) in &world.errata.lock().advisories {
        for job in advisory.push_jobs.iter().filter(|job| job.made.is_some()) {
            happened(Kind::Push, format!("the push of advisory {id} to {}", job.target));
        }
        for change in &advisory.state_changes {
            happened(Kind::Move, format!("the move of advisory {id} to {}", change.to.name()));
        }
    }
    let is_ours = |text: &str| {
        [KONFLUX_RELEASE, ERRATA_RELEASE].iter().any(|release| text.ends_with(&format!(":{release}-x86_64")))
    };
    for job in &world.prow.lock().jobs {
        for payload in job.envs.values().filter(|value| is_ours(value)) {
            happened(Kind::ProwJob, format!("the Prow job {} for {payload}", job.job));
        }
    }
    let jenkins = world.jenkins.lock();
    for job in jenkins.jobs.iter().filter(|job| job.path == STAGE_JOB) {
        for build in &job.builds {
            let payload = build.parameters.iter().find(|(name, _)| name == "PULL_SPEC");
            let payload = payload.and_then(|(_, value)| value.as_str()).filter(|payload| is_ours(payload));
            if let Some(payload) = payload {
                happened(Kind::StageBuild, format!("the test of {payload} on stage"));
            }
        }
    }
    for request in &world.gitlab.lock().merge_requests {
        for _ in &request.approved_by {
            happened(Kind::Approval, format!("the approval of !{}", request.iid));
        }
        // What was added later stands behind what the scenario has.
        let added = request.notes.iter().filter(|note| !note.system).rev().take(request.notes_added as usize);
        for note in added {
            happened(Kind::Note, format!("the note on !{}: {}", request.iid, note.body));
        }
    }
    for issue in world.jira.lock().issues.values() {
        for write in &issue.writes {
            match write {
                Write::Created => happened(Kind::Issue, format!("the issue `{}`", issue.summary)),
                Write::Transitioned { to, .. } => {
                    happened(Kind::Transition, format!("the move of {} to {to}", issue.key));
                }
                Write::Commented(id) => {
                    let mut comments = issue.comments.iter();
                    let text = comments.find(|comment| comment.id == *id).map(|comment| &comment.body);
                    let text = text.map_or("it was removed", String::as_str);
                    happened(Kind::Comment, format!("the comment on {}: {text}", issue.key));
                }
                // Setting a value again changes nothing that people see.
                Write::Assigned(_) | Write::Edited(_) | Write::CommentEdited(_) => {}
            }
        }
    }
    for message in world.slack.lock().messages.iter().filter(|message| message.bot_id.is_some()) {
        let key = message.metadata.as_ref().and_then(|metadata| metadata["event_payload"]["key"].as_str());
        if let Some(key) = key {
            happened(Kind::Message, format!("the message {key} in #{}", message.channel_name));
        }
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::{gitlab::Note, jira::Comment, testing::world};

    #[test]
    fn what_is_done_a_second_time_is_named() {
        let world = world();
        assert!(all_once(&world).is_ok(), "the scenario itself repeats nothing");
        let build = {
            let jenkins = world.jenkins.lock();
            let job = jenkins.jobs.iter().find(|job| job.path == STAGE_JOB).unwrap();
            let mut build = job.builds[0].clone();
            for (name, value) in &mut build.parameters {
                if name == "PULL_SPEC" {
                    *value =
                        format!("quay.io/openshift-release-dev/ocp-release:{KONFLUX_RELEASE}-x86_64").into();
                }
            }
            build
        };
        let start = |world: &World| {
            let mut jenkins = world.jenkins.lock();
            let job = jenkins.jobs.iter_mut().find(|job| job.path == STAGE_JOB).unwrap();
            job.builds.push(build.clone());
        };
        start(&world);
        assert!(all_once(&world).unwrap().contains("1 test on stage"));
        start(&world);
        let twice = all_once(&world).unwrap_err();
        assert!(twice.contains("4.19.1-x86_64 on stage (2 times)"), "{twice}");
    }

    #[test]
    fn a_second_approval_or_comment_is_named_whoever_it_is_by() {
        let world = world();
        {
            let mut gitlab = world.gitlab.lock();
            let request = &mut gitlab.merge_requests[0];
            request.approved_by = vec![1, 2];
            request.notes_added = 2;
            let (created_at, updated_at) = (request.updated_at.clone(), request.updated_at.clone());
            let note =
                Note { id: 1, author: 1, body: "checked".to_owned(), system: false, created_at, updated_at };
            request.notes.extend([note.clone(), Note { id: 2, author: 2, ..note }]);
        }
        {
            let mut jira = world.jira.lock();
            let issue = jira.issues.values_mut().next().unwrap();
            for id in [9_001, 9_002] {
                let (body, author) = ("please verify".to_owned(), id.to_string());
                let (created, updated) = (issue.updated.clone(), issue.updated.clone());
                issue.comments.push(Comment { id, author, body, created, updated });
                issue.writes.push(Write::Commented(id));
            }
        }
        let twice = all_once(&world).unwrap_err();
        for words in ["the approval of !", ": checked (2 times)", ": please verify (2 times)"] {
            assert!(twice.contains(words), "{words}: {twice}");
        }
    }
}
