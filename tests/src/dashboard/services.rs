//! What the services know of a release: build data, advisories, shipment, promotion, tests, jobs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use sandbox::scenario::gitlab::{BOT, PROJECT};
use sandbox::scenario::jenkins::STAGE_JOB;
use sandbox::scenario::{ERRATA_ADVISORIES, KONFLUX_ADVISORIES, SHIPMENT_IID, SHIPMENT_PROJECT};
use sandbox::services::errata::{AdvisoryState, PushJob};
use sandbox::services::jenkins::Build;
use sandbox::services::prow::{JobState, Pace, ProwJob};
use sandbox::services::release_controller::{Payload, Phase};

use super::day;
use super::table::{Advisories, CHAIN, Case, Tests, Trouble};
use crate::Harness;
use crate::many_releases::{
    build_data, promote, put_build_data, put_build_data_file, put_record, put_record_text,
};

/// Name and id of the image consistency check that runs.
pub(super) const CONSISTENCY_JOB: (&str, &str) = (
    "periodic-ci-openshift-release-tests-main-image-consistency-check",
    "7d1f2c3a-1111-4222-8333-944455550001",
);
/// Job and number of the stage test that runs.
pub(super) const STAGE_BUILD: (&str, u64) = (STAGE_JOB, 1690);

/// How many numbers a release has to itself.
const STEP: u64 = 10;

/// The numbers that ART gave a release.
pub(super) struct Numbers {
    release: &'static str,
    konflux: bool,
    place: u64,
    /// The shipment merge request of the Konflux flow.
    pub(super) shipment: Option<String>,
}

impl Numbers {
    pub(super) fn new(harness: &Harness, case: &Case, place: usize) -> Self {
        let place = u64::try_from(place).unwrap();
        let web = harness.sandbox.world().url("/gitlab");
        let url = format!("{web}/{SHIPMENT_PROJECT}/-/merge_requests/{}", 700 + place);
        let shipment = case.konflux.then_some(url);
        Self { release: case.release, konflux: case.konflux, place, shipment }
    }

    pub(super) fn ticket(&self) -> String {
        format!("ART-{}", 16_000 + self.place)
    }

    fn templates(&self) -> &'static [(&'static str, u64)] {
        let konflux: &[_] = &KONFLUX_ADVISORIES;
        // That of MicroShift, the last one, ships separately.
        if self.konflux { konflux.split_last().unwrap().1 } else { &ERRATA_ADVISORIES }
    }

    /// The advisories by impetus.
    pub(super) fn advisories(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let first = 160_001 + STEP * self.place;
        self.templates().iter().zip(first..).map(|((impetus, _), id)| (*impetus, id))
    }

    /// The candidate build, or the one by which ART has `replaced` it.
    pub(super) fn candidate(&self, replaced: bool) -> String {
        let stream = self.release.rsplit_once('.').unwrap().0;
        let time = if replaced { "2026-11-27-031144" } else { "2026-11-20-161907" };
        format!("{stream}.0-0.nightly-{time}")
    }
}

/// Makes everything known that ART, the Errata Tool and the tests of builds say of a release.
pub(super) fn announce(harness: &Harness, case: &Case, numbers: &Numbers) {
    put_build_data(harness, case.release, &entry(case, numbers));
    make_advisories(harness, case, numbers);
    if numbers.shipment.is_some() {
        make_shipment(harness, case, numbers);
    }
    if case.tests == Tests::NotPromoted {
        return;
    }
    let image = Timestamp::now() - SignedDuration::from_hours(30);
    promote(harness, Payload { created: image, ..Payload::new(case.release, Phase::Accepted) });
    let ended: &[(&str, bool)] = &[("aggregated", true), ("accepted", case.tests == Tests::Accepted)];
    match case.tests {
        Tests::NotPromoted => {}
        Tests::Running => put_record(harness, case.release, ("pending", &[]), &[]),
        Tests::Accepted => put_record(harness, case.release, ("success", &[]), ended),
        Tests::Rejected => put_record(harness, case.release, ("failure", &["failure", "failure"]), ended),
        Tests::Damaged => put_record_text(harness, case.release, "{\"result\": [".to_owned()),
    }
}

/// The entry of a release in ART's build data.
fn entry(case: &Case, numbers: &Numbers) -> String {
    let mut text = format!(
        "    assembly:\n      type: standard\n      basis:\n        time: \"2026-11-20T16:19:07+00:00\"\n        \
         reference_releases:\n          x86_64: {}\n      group:\n        advisories:\n",
        numbers.candidate(case.trouble == Trouble::BuildReplaced)
    );
    for (impetus, id) in numbers.advisories() {
        let _ = writeln!(text, "          {impetus}: {id}");
    }
    let _ = writeln!(
        text,
        "        release_jira: {}\n        release_date: {}",
        numbers.ticket(),
        day(case.days)
    );
    if let Some(url) = &numbers.shipment {
        let _ = writeln!(
            text,
            "        shipment:\n          advisories:\n          - kind: image\n          - kind: extras\n          - kind: \
             metadata\n          - kind: fbc\n          url: {url}"
        );
    }
    text.push_str("      members:\n        images: []\n        rpms: []\n");
    text
}

fn make_advisories(harness: &Harness, case: &Case, numbers: &Numbers) {
    let mut errata = harness.sandbox.world().errata.lock();
    let id_of = |id: u64| u32::try_from(id).unwrap();
    let own: BTreeMap<u32, u32> = numbers
        .templates()
        .iter()
        .zip(numbers.advisories())
        .map(|((_, template), (_, id))| (id_of(*template), id_of(id)))
        .collect();
    for (template, id) in &own {
        let mut advisory = errata.advisory(*template).unwrap().clone();
        let known = if case.konflux { crate::KONFLUX } else { crate::ERRATA };
        advisory.id = *id;
        advisory.synopsis = advisory.synopsis.replace(known, case.release);
        // An issue is on one active advisory only.
        advisory.jira_issues.clear();
        advisory.blocking_advisories =
            advisory.blocking_advisories.iter().filter_map(|id| own.get(id).copied()).collect();
        if advisory.state != AdvisoryState::DroppedNoShip {
            advisory.state = match case.advisories {
                Advisories::NewFiles => AdvisoryState::NewFiles,
                Advisories::Qe | Advisories::Pushing | Advisories::OnStaging => AdvisoryState::Qe,
                Advisories::Shipped => AdvisoryState::ShippedLive,
            };
        }
        let status = match case.advisories {
            Advisories::NewFiles | Advisories::Qe => None,
            Advisories::Pushing => Some("WAITING_ON_PUB"),
            Advisories::OnStaging | Advisories::Shipped => Some("COMPLETE"),
        };
        let jobs = advisory.stage_targets.iter().zip(*id * 10..).filter_map(|(target, id)| {
            let (status, target) = (status?.to_owned(), target.clone());
            Some(PushJob { id, target, status, respin: advisory.respin_count, ..PushJob::default() })
        });
        advisory.push_jobs = jobs.collect();
        errata.advisories.insert(*id, advisory);
    }
}

fn make_shipment(harness: &Harness, case: &Case, numbers: &Numbers) {
    let mut gitlab = harness.sandbox.world().gitlab.lock();
    let iid = 700 + numbers.place;
    let mut request = gitlab.merge_request(PROJECT, SHIPMENT_IID).unwrap().clone();
    (request.id, request.iid) = (880_000 + iid, iid);
    request.title = format!("Shipment for {} (ship date: {})", case.release, day(case.days));
    if case.passed == CHAIN.len() {
        request.approved_by.push(BOT);
    }
    let mut pipeline = gitlab.newest_pipeline(PROJECT, SHIPMENT_IID).unwrap().clone();
    (pipeline.id, pipeline.merge_request) = (920_000 + iid, iid);
    if case.trouble == Trouble::StageFailed {
        "failed".clone_into(&mut pipeline.status);
        "failed".clone_into(&mut pipeline.bridges.first_mut().unwrap().status);
        request.labels.clear();
    }
    gitlab.merge_requests.push(request);
    gitlab.pipelines.push(pipeline);
}

/// Starts the jobs that [`CONSISTENCY_JOB`] and [`STAGE_BUILD`] name.
pub(super) fn start_jobs(harness: &Harness) {
    let world = harness.sandbox.world();
    let ago = |hours: i64| Timestamp::now() - SignedDuration::from_hours(hours);
    let days = SignedDuration::from_hours(24 * 30);
    world.prow.lock().jobs.push(ProwJob {
        id: CONSISTENCY_JOB.1.to_owned(),
        job: CONSISTENCY_JOB.0.to_owned(),
        started: ago(20),
        outcome: JobState::Success,
        duration: days,
        build: 2_088_000_000_000_000_001,
        replaced: Vec::new(),
        envs: BTreeMap::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        pace: Pace::default(),
    });
    let mut jenkins = world.jenkins.lock();
    let job = jenkins.jobs.iter_mut().find(|job| job.path == STAGE_JOB).unwrap();
    let older = job.builds.first().unwrap().clone();
    job.builds
        .insert(0, Build { number: STAGE_BUILD.1, item: None, started: ago(2), duration: days, ..older });
}

/// Gives a release of the sandbox's own scenario another date.
pub(super) fn move_date(harness: &Harness, release: &str, date: &str) {
    let stream = release.rsplit_once('.').unwrap().0;
    let text = build_data(harness, stream).unwrap();
    let (before, own) = text.split_once(&format!("  {release}:\n")).unwrap();
    let line = own.lines().find(|line| line.contains("release_date:")).unwrap();
    let own = own.replacen(line, &format!("        release_date: {date}"), 1);
    put_build_data_file(harness, stream, format!("{before}  {release}:\n{own}"));
}
