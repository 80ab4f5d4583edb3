//! Actions of other parties for the two releases and the new nightly: ART, the QA contacts, the clouds where
//! jobs run. An action is refused as long as its preconditions are not met.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{
    ERRATA_ADVISORIES, ERRATA_RELEASE, KONFLUX_ADVISORIES, KONFLUX_RELEASE, SHIPMENT_IID,
    gitlab::PROJECT,
    prow::IMAGE_CONSISTENCY_JOB,
    records::{NIGHTLY_JOB, UPGRADE_JOB},
};
use crate::{
    services::{
        errata::AdvisoryState,
        gitlab::MergeRequestState,
        prow::{JobState, Pace, ProwJob},
        release_controller::Phase,
    },
    world::World,
};

/// The id of the job that [`Action::ArtRunsConsistencyJob`] starts.
pub const CONSISTENCY_JOB_ID: &str = "0d9a1c52-6c1e-4f7a-9a53-4146004e0001";

/// The minor with the new nightly.
pub const TESTED_MINOR: &str = "4.20";

/// An action of another party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// ART announces the release before the release controller has accepted it.
    ArtAnnounces,
    /// ART finishes the files of advisories.
    ArtMovesAdvisories,
    /// The release controller accepts a release that was announced.
    ArtPromotes,
    /// ART runs the check that an Errata release cannot start.
    ArtRunsConsistencyJob,
    /// The QA contacts verify CVE bugs.
    ContactsVerifyCves,
    /// The QA contacts verify every bug.
    ContactsVerifyBugs,
    /// ART ships.
    ArtShips,
    /// Two jobs of the new nightly will fail, and their retries pass.
    NightlyJobsFail,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 8] = [
        Self::ArtAnnounces,
        Self::ArtMovesAdvisories,
        Self::ArtPromotes,
        Self::ArtRunsConsistencyJob,
        Self::ContactsVerifyCves,
        Self::ContactsVerifyBugs,
        Self::ArtShips,
        Self::NightlyJobsFail,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ArtAnnounces => "art-announces",
            Self::ArtMovesAdvisories => "art-moves-advisories",
            Self::ArtPromotes => "art-promotes",
            Self::ArtRunsConsistencyJob => "art-runs-consistency-job",
            Self::ContactsVerifyCves => "contacts-verify-cves",
            Self::ContactsVerifyBugs => "contacts-verify-bugs",
            Self::ArtShips => "art-ships",
            Self::NightlyJobsFail => "nightly-jobs-fail",
        }
    }

    /// A one-line description.
    pub fn about(self) -> &'static str {
        match self {
            Self::ArtAnnounces => {
                "ART announces the release, which the release controller has not accepted yet"
            }
            Self::ArtMovesAdvisories => "ART moves advisories in NEW_FILES to QE",
            Self::ArtPromotes => "ART promotes the announced release: the release controller accepts it",
            Self::ArtRunsConsistencyJob => {
                "ART starts the Prow job that compares payload and advisories (Errata)"
            }
            Self::ContactsVerifyCves => "the QA contacts verify the CVE bugs, and leave the others",
            Self::ContactsVerifyBugs => "the QA contacts verify every bug",
            Self::ArtShips => "ART releases to production and ships what QE has approved",
            Self::NightlyJobsFail => {
                "two jobs of the new nightly of 4.20 will fail, and pass when they are retried"
            }
        }
    }

    /// The action of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Does it and describes what was done; the error says why it cannot be done.
    pub fn carry_out(self, world: &World, release: &str) -> Result<String, String> {
        match self {
            Self::ArtAnnounces => announce(world, known(release)?),
            Self::ArtMovesAdvisories => move_advisories(world, &advisories(release)?),
            Self::ArtPromotes => promote(world, known(release)?),
            Self::ArtRunsConsistencyJob => run_consistency_job(world, known(release)?),
            Self::ContactsVerifyCves => Ok(verify(world, known(release)?, true)),
            Self::ContactsVerifyBugs => Ok(verify(world, known(release)?, false)),
            Self::ArtShips => ship(world, release, &advisories(release)?),
            Self::NightlyJobsFail => fail_nightly_jobs(world, release),
        }
    }
}

/// `release`, if there is such a one.
fn known(release: &str) -> Result<&str, String> {
    advisories(release).map(|_| release)
}

/// The advisories that ship with a release, with their kinds: not those of `microshift`, which ships on its own.
fn advisories(release: &str) -> Result<Vec<(&'static str, u32)>, String> {
    let advisories = match release {
        KONFLUX_RELEASE => &KONFLUX_ADVISORIES[..],
        ERRATA_RELEASE => &ERRATA_ADVISORIES[..],
        _ => {
            return Err(format!("no release {release}; there are {KONFLUX_RELEASE} and {ERRATA_RELEASE}"));
        }
    };
    Ok(advisories
        .iter()
        .filter(|(kind, _)| *kind != "microshift")
        .filter_map(|(kind, id)| Some((*kind, u32::try_from(*id).ok()?)))
        .collect())
}

fn announce(world: &World, release: &str) -> Result<String, String> {
    if move_phase(world, release, Phase::Accepted, Phase::Ready) == 0 {
        return Err(format!("{release} is not accepted anywhere"));
    }
    Ok(format!("ART announced {release}; the release controller has not accepted it yet."))
}

fn promote(world: &World, release: &str) -> Result<String, String> {
    if move_phase(world, release, Phase::Ready, Phase::Accepted) == 0 {
        return Err(format!("{release} does not wait for its promotion"));
    }
    Ok(format!("ART promoted {release}: the release controller has accepted it."))
}

/// Moves the release from one phase to another wherever the release controller has it; in how many streams.
fn move_phase(world: &World, release: &str, from: Phase, to: Phase) -> usize {
    let mut controller = world.release_controller.lock();
    let tags = controller.streams.values_mut().flatten();
    let found = tags.filter(|tag| tag.name == release && tag.phase == from);
    found.map(|tag| tag.phase = to).count()
}

fn move_advisories(world: &World, advisories: &[(&str, u32)]) -> Result<String, String> {
    let now = world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut state = world.errata.lock();
    let mut moved = Vec::new();
    for (kind, id) in advisories {
        if let Some(advisory) = state.advisory_mut(*id).filter(|one| one.state == AdvisoryState::NewFiles) {
            advisory.state = AdvisoryState::Qe;
            advisory.status_updated_at.clone_from(&now);
            moved.push(format!("{id} ({kind})"));
        }
    }
    if moved.is_empty() {
        return Err("no advisory of the release is in NEW_FILES".to_owned());
    }
    Ok(format!("ART finished the files of advisory {} and moved it to QE.", moved.join(", ")))
}

fn run_consistency_job(world: &World, release: &str) -> Result<String, String> {
    if release == KONFLUX_RELEASE {
        return Err(format!("`oar -r {release} image-consistency-check` starts the job itself"));
    }
    let mut state = world.prow.lock();
    if state.jobs.iter().any(|job| job.id == CONSISTENCY_JOB_ID) {
        return Err(format!("the job was started before: {CONSISTENCY_JOB_ID}"));
    }
    let payload = format!("quay.io/openshift-release-dev/ocp-release:{release}-x86_64");
    let build = 2_099_000_000_000_900_001;
    state.jobs.push(ProwJob {
        id: CONSISTENCY_JOB_ID.to_owned(),
        job: IMAGE_CONSISTENCY_JOB.to_owned(),
        started: world.clock.now(),
        outcome: JobState::Success,
        duration: SignedDuration::from_mins(26),
        build,
        replaced: Vec::new(),
        envs: BTreeMap::from([("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL".to_owned(), payload)]),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        pace: Pace::default(),
    });
    Ok(format!("ART started the Prow job {CONSISTENCY_JOB_ID} for {release}; it takes 26 minutes."))
}

fn verify(world: &World, release: &str, only_cves: bool) -> String {
    let stream = release.rsplit_once('.').map_or(release, |(stream, _)| stream);
    let target = format!("{stream}.z");
    let mut state = world.jira.lock();
    let mut verified = Vec::new();
    for issue in state.issues.values_mut() {
        let targets = issue.custom.get("customfield_10855").and_then(|value| value.as_array());
        let ours = targets.is_some_and(|all| all.iter().any(|one| one["name"] == target.as_str()));
        let cve = issue.labels.iter().any(|label| label.starts_with("CVE-"));
        if ours && (cve || !only_cves) && issue.status == "ON_QA" {
            "Verified".clone_into(&mut issue.status);
            verified.push(issue.key.clone());
        }
    }
    if verified.is_empty() {
        return "No such bug is left to be verified.".to_owned();
    }
    let bugs = if verified.len() == 1 { "bug" } else { "bugs" };
    let verified = verified.join(", ");
    if only_cves {
        format!("The QA contacts verified the CVE {bugs} {verified}; the others stay as they are.")
    } else {
        format!("The QA contacts verified the {bugs} {verified}.")
    }
}

fn fail_nightly_jobs(world: &World, minor: &str) -> Result<String, String> {
    if minor != TESTED_MINOR {
        return Err(format!("the new nightly is of {TESTED_MINOR}, not of {minor}"));
    }
    let mut state = world.prow.lock();
    for (job, first) in [(NIGHTLY_JOB, JobState::Failure), (UPGRADE_JOB, JobState::Aborted)] {
        if state.jobs.iter().any(|run| run.job == job) {
            return Err(format!("{job} was started before"));
        }
        for (outcome, minutes) in [(first, 41), (JobState::Success, 35), (JobState::Success, 38)] {
            state.script(job, outcome, SignedDuration::from_mins(minutes));
        }
    }
    Ok(format!(
        "A cloud has an outage: {NIGHTLY_JOB} will fail, and {UPGRADE_JOB} will be aborted; their retries will pass."
    ))
}

fn ship(world: &World, release: &str, advisories: &[(&str, u32)]) -> Result<String, String> {
    let mut errata = world.errata.lock();
    for (kind, id) in advisories {
        let state = errata.advisory(*id).map(|advisory| advisory.state);
        let approved = matches!(state, Some(AdvisoryState::RelPrep | AdvisoryState::DroppedNoShip));
        if !approved {
            let state = state.map_or("nowhere", AdvisoryState::name);
            return Err(format!("advisory {id} ({kind}) is in {state}: QE has not approved it"));
        }
    }
    let mut shipment = String::new();
    if release == KONFLUX_RELEASE {
        let mut gitlab = world.gitlab.lock();
        let request = gitlab.merge_request_mut(PROJECT, SHIPMENT_IID).ok_or("there is no shipment")?;
        if request.approved_by.is_empty() {
            return Err(format!("the shipment merge request !{SHIPMENT_IID} is not approved"));
        }
        request.state = MergeRequestState::Merged;
        request.labels.push("prod-release-success".to_owned());
        let newest = gitlab.newest_pipeline(PROJECT, SHIPMENT_IID).map(|pipeline| pipeline.id);
        for pipeline in gitlab.pipelines.iter_mut().filter(|pipeline| Some(pipeline.id) == newest) {
            "success".clone_into(&mut pipeline.status);
            for job in &mut pipeline.bridges {
                "success".clone_into(&mut job.status);
            }
        }
        shipment = format!("released the shipment to production, merged !{SHIPMENT_IID} and ");
    }
    let mut shipped = Vec::new();
    for (_, id) in advisories {
        if let Some(advisory) = errata.advisory_mut(*id).filter(|one| one.state == AdvisoryState::RelPrep) {
            advisory.state = AdvisoryState::ShippedLive;
            shipped.push(id.to_string());
        }
    }
    Ok(format!("ART {shipment}shipped the advisories {}.", shipped.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::world;

    #[test]
    fn a_release_is_announced_once() {
        let world = world();
        let phase = |world: &World| {
            let controller = world.release_controller.lock();
            let found = controller.streams["4-stable"].iter().find(|tag| tag.name == KONFLUX_RELEASE);
            found.map(|tag| tag.phase)
        };
        assert_eq!(phase(&world), Some(Phase::Accepted));
        let told = Action::ArtAnnounces.carry_out(&world, KONFLUX_RELEASE).unwrap();
        assert!(told.starts_with("ART announced 4.19.1"), "{told}");
        assert_eq!(phase(&world), Some(Phase::Ready));
        let refused = Action::ArtAnnounces.carry_out(&world, KONFLUX_RELEASE).unwrap_err();
        assert_eq!(refused, "4.19.1 is not accepted anywhere");
        let told = Action::ArtPromotes.carry_out(&world, KONFLUX_RELEASE).unwrap();
        assert!(told.starts_with("ART promoted 4.19.1"), "{told}");
        assert_eq!(phase(&world), Some(Phase::Accepted));
        assert!(Action::ArtPromotes.carry_out(&world, KONFLUX_RELEASE).is_err());
        assert!(Action::ArtAnnounces.carry_out(&world, "4.19.2").is_err());
    }

    #[test]
    fn nothing_ships_before_it_is_approved() {
        let world = world();
        let refused = Action::ArtShips.carry_out(&world, KONFLUX_RELEASE).unwrap_err();
        assert!(refused.contains("150001 (rpm) is in QE"), "{refused}");
        for id in [150_001, 150_002] {
            world.errata.lock().advisory_mut(id).unwrap().state = AdvisoryState::RelPrep;
        }
        let refused = Action::ArtShips.carry_out(&world, KONFLUX_RELEASE).unwrap_err();
        assert!(refused.contains("!612 is not approved"), "{refused}");
        world.gitlab.lock().merge_request_mut(PROJECT, SHIPMENT_IID).unwrap().approved_by.push(7001);
        let done = Action::ArtShips.carry_out(&world, KONFLUX_RELEASE).unwrap();
        assert!(done.contains("merged !612 and shipped the advisories 150001, 150002"), "{done}");
        assert_eq!(world.errata.lock().advisory(150_001).unwrap().state, AdvisoryState::ShippedLive);
        assert_eq!(
            world.errata.lock().advisory(150_003).unwrap().state,
            AdvisoryState::Qe,
            "MicroShift's own"
        );
    }

    #[test]
    fn each_deed_is_done_once_and_only_where_it_makes_sense() {
        let world = world();
        assert!(Action::ArtMovesAdvisories.carry_out(&world, ERRATA_RELEASE).is_err());
        assert!(
            Action::ArtMovesAdvisories.carry_out(&world, KONFLUX_RELEASE).unwrap().contains("150002 (rhcos)")
        );
        assert!(Action::ArtMovesAdvisories.carry_out(&world, KONFLUX_RELEASE).is_err());
        assert!(Action::ArtRunsConsistencyJob.carry_out(&world, KONFLUX_RELEASE).is_err());
        assert!(Action::ArtRunsConsistencyJob.carry_out(&world, ERRATA_RELEASE).is_ok());
        assert!(Action::ArtRunsConsistencyJob.carry_out(&world, ERRATA_RELEASE).is_err());
        let verified = Action::ContactsVerifyCves.carry_out(&world, KONFLUX_RELEASE).unwrap();
        assert!(verified.contains("OCPBUGS-60011;"), "{verified}");
        let verified = Action::ContactsVerifyBugs.carry_out(&world, KONFLUX_RELEASE).unwrap();
        assert!(verified.contains("verified the bug"), "{verified}");
        assert_eq!(world.jira.lock().issue("OCPBUGS-61041").unwrap().status, "ON_QA", "another release's");
        assert!(Action::ArtShips.carry_out(&world, "4.18.1").unwrap_err().contains("no release 4.18.1"));
        assert!(Action::NightlyJobsFail.carry_out(&world, "4.19").is_err());
        let failing = Action::NightlyJobsFail.carry_out(&world, TESTED_MINOR).unwrap();
        assert!(failing.contains(NIGHTLY_JOB), "{failing}");
        for action in Action::ALL {
            assert_eq!(Action::parse(action.name()), Some(action));
        }
    }
}
