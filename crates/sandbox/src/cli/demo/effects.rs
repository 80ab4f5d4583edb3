//! What the demonstration did to the world, counted: everything that people see or that cannot be taken back happened once.

use std::collections::BTreeMap;

use crate::{
    scenario::{ERRATA_RELEASE, KONFLUX_RELEASE, jenkins::STAGE_JOB},
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
        for by in &request.approved_by {
            happened(Kind::Approval, format!("the approval of !{} by account {by}", request.iid));
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
    use crate::services::testing::world;

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
}
