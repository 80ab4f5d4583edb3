//! The other parties, in the sandbox's world.
#![expect(clippy::unwrap_used, reason = "what the scenario does not have fails the test")]

use jiff::{SignedDuration, Timestamp};
use oar_core::flow::nodes::Node;
use sandbox::scenario::github::RECORD_BRANCH;
use sandbox::scenario::gitlab::{BRANCH, PROJECT};
use sandbox::scenario::jenkins::STAGE_JOB;
use sandbox::scenario::parties::Action;
use sandbox::scenario::prow::IMAGE_CONSISTENCY_JOB;
use sandbox::scenario::records::{nightly_jobs, result_file, stable_jobs};
use sandbox::scenario::registry::KONFLUX_METADATA;
use sandbox::scenario::{ERRATA_ADVISORIES, KONFLUX_ADVISORIES, SHIPMENT_IID};
use sandbox::services::errata::{AdvisoryState, PushScript};
use sandbox::services::github::{BUILD_DATA_REPOSITORY, STATE_REPOSITORY};
use sandbox::services::gitlab::Commit;
use sandbox::services::release_controller::Phase;
use sandbox::world::World;

use super::course::{Course, Event, Record};
use super::enabling::{CONSISTENCY, STAGE};

/// How often the last job or build of a course repeats.
const REPEATED: usize = 20;
/// Where a push stands until it ends.
const PUSHING: &str = "WAITING_ON_PUB";
/// After this time Jenkins has begun a build.
const LEAVES_QUEUE: SignedDuration = SignedDuration::from_secs(6);
/// How a push ends that fails.
const FAILED: &str = "FAILED";
/// How old a push is at least when it ends.
const SHORTEST_PUSH: SignedDuration = SignedDuration::from_mins(6);

/// The RPM advisory that takes the place of a release's first one.
pub const REPLACEMENT: u32 = 149_999;

/// The advisories of a release, without that of `MicroShift`, which ships on its own.
///
/// # Panics
/// When the scenario has an id that is none.
pub fn advisories(release: &str) -> Vec<u32> {
    let all = if release == crate::KONFLUX { &KONFLUX_ADVISORIES[..] } else { &ERRATA_ADVISORIES[..] };
    let own = all.iter().filter(|(impetus, _)| *impetus != "microshift");
    own.map(|(_, id)| u32::try_from(*id).unwrap()).collect()
}

/// The y-stream of a release.
fn stream(release: &str) -> &str {
    release.rsplit_once('.').unwrap().0
}

/// What the parties keep in mind.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what has happened to one release, each by itself")]
pub(super) struct Parties {
    release: &'static str,
    build_data: String,
    is_announced: bool,
    has_ticket: bool,
    has_advisory: bool,
    candidate: String,
    push: SignedDuration,
    /// The advisory whose next push fails.
    fails: Option<u32>,
    is_replaced: bool,
    /// The pushes whose end is planned.
    pushes: usize,
    commits: usize,
}

impl Parties {
    /// Takes the world back to the time before the release is announced.
    pub(super) fn begin(world: &World, course: &Course) -> Self {
        let release = course.release;
        let branch = format!("openshift-{}", stream(release));
        let mut github = world.github.lock();
        let build_data = github.text(BUILD_DATA_REPOSITORY, &branch, "releases.yml").unwrap();
        let marker = "x86_64: ";
        let candidate = build_data.split_once(marker).unwrap().1.lines().next().unwrap().to_owned();
        let now = world.clock.now();
        for path in [release, &candidate].map(record_path) {
            // It need not be there.
            let _ = github.remove(STATE_REPOSITORY, RECORD_BRANCH, &path, now);
        }
        let before = build_data.replacen(&format!("  {release}:\n"), &format!("  {release}-later:\n"), 1);
        github.put(BUILD_DATA_REPOSITORY, &branch, "releases.yml", before, "not announced yet", now).unwrap();
        drop(github);
        Action::ArtAnnounces.carry_out(world, release).unwrap();
        world.access.lock().published.remove(KONFLUX_METADATA);
        {
            let mut gitlab = world.gitlab.lock();
            let request = gitlab.merge_request_mut(PROJECT, SHIPMENT_IID).unwrap();
            request.labels.clear();
            request.title = format!("Draft: {}", request.title);
        }
        set_stage_release(world, "manual");
        {
            let mut errata = world.errata.lock();
            for id in advisories(release) {
                let advisory = errata.advisory_mut(id).unwrap();
                advisory.push_scripts =
                    std::iter::repeat_n(PushScript::StopsAt(PUSHING.to_owned()), REPEATED).collect();
                if id == 140_005 {
                    // Its issues are not part of the scenario's Jira.
                    advisory.jira_issues.clear();
                }
            }
        }
        {
            let mut prow = world.prow.lock();
            // While time stands still nothing drains.
            prow.limit.burst = 1_000.0;
            let last = *course.consistency.last().unwrap();
            for (state, duration) in
                course.consistency.iter().copied().chain(std::iter::repeat_n(last, REPEATED))
            {
                prow.script(IMAGE_CONSISTENCY_JOB, state, duration);
            }
        }
        {
            let mut jenkins = world.jenkins.lock();
            let job = jenkins.job_mut(STAGE_JOB).unwrap();
            let last = *course.stage.last().unwrap();
            let builds = course.stage.iter().copied().chain(std::iter::repeat_n(last, REPEATED));
            job.script = builds.map(|(outcome, duration)| (outcome.to_owned(), duration)).collect();
        }
        let (is_announced, has_ticket, has_advisory) = (false, true, true);
        let push = course.push;
        Self {
            release,
            build_data,
            is_announced,
            has_ticket,
            has_advisory,
            candidate,
            push,
            fails: course.push_fails.then(|| advisories(release)[0]),
            is_replaced: false,
            pushes: 0,
            commits: 0,
        }
    }

    /// Lets `event` happen now.
    pub(super) fn carry_out(&mut self, world: &World, event: Event) {
        let now = world.clock.now();
        match event {
            Event::Announced => {
                self.is_announced = true;
                self.put_build_data(world);
            }
            Event::TicketPending | Event::Ticket => {
                self.has_ticket = event == Event::Ticket;
                self.put_build_data(world);
            }
            Event::AdvisoryPending | Event::Advisory => {
                self.has_advisory = event == Event::Advisory;
                self.put_build_data(world);
            }
            Event::AdvisoryReplaced => {
                self.replace_advisory(world);
                self.put_build_data(world);
            }
            Event::AdvisoriesReady => {
                // There need not be one.
                let _ = Action::ArtMovesAdvisories.carry_out(world, self.release);
            }
            Event::Promotion(phase) => {
                let mut controller = world.release_controller.lock();
                let payload = controller.payload_mut("4-stable", self.release).unwrap();
                payload.phase = phase;
                if phase == Phase::Accepted {
                    payload.created = now - SignedDuration::from_hours(1);
                }
            }
            Event::ShipmentReady => {
                let mut gitlab = world.gitlab.lock();
                let request = gitlab.merge_request_mut(PROJECT, SHIPMENT_IID).unwrap();
                request.title = request.title.trim_start_matches("Draft: ").to_owned();
            }
            Event::ShipmentCommit => self.commit(world, now),
            Event::StageRelease(status) => set_stage_release(world, status),
            Event::Candidate(record) => {
                let candidate = self.candidate.clone();
                let stream = format!("{}.0-0.nightly", stream(self.release));
                put_record(world, &stream, &candidate, record, now);
            }
            Event::Tests(record) => put_record(world, "4-stable", self.release, record, now),
            Event::BugsVerified => {
                for issue in world.jira.lock().issues.values_mut() {
                    if issue.key.starts_with("OCPBUGS-") {
                        "Verified".clone_into(&mut issue.status);
                    }
                }
            }
            Event::ConsistencyJob => {
                Action::ArtRunsConsistencyJob.carry_out(world, self.release).unwrap();
            }
            Event::Published => {
                world.access.lock().published.insert(KONFLUX_METADATA.to_owned(), now);
            }
            Event::PushEnds => {
                let mut errata = world.errata.lock();
                for id in self.advisories() {
                    for job in &mut errata.advisory_mut(id).unwrap().push_jobs {
                        let made = job.made.unwrap();
                        let is_open = job.script == PushScript::StopsAt(PUSHING.to_owned());
                        if is_open && made + self.push.max(SHORTEST_PUSH) <= now {
                            let fails = self.fails.take_if(|fails| *fails == id);
                            job.script = fails
                                .map_or(PushScript::Completes, |_| PushScript::EndsAs(FAILED.to_owned()));
                        }
                    }
                }
            }
        }
    }

    /// The end of pushes that have begun since it was asked last.
    pub(super) fn new_pushes(&mut self, world: &World) -> Vec<(Timestamp, Event)> {
        let mut errata = world.errata.lock();
        let mut made: Vec<Timestamp> = Vec::new();
        for id in self.advisories() {
            made.extend(errata.advisory_mut(id).unwrap().push_jobs.iter().filter_map(|job| job.made));
        }
        made.sort_unstable();
        let new = made.split_off(self.pushes.min(made.len()));
        self.pushes += new.len();
        new.into_iter().map(|made| (made + self.push.max(SHORTEST_PUSH), Event::PushEnds)).collect()
    }

    /// Ships what is approved; whether it could be done.
    pub(super) fn ship(&self, world: &World) -> Result<String, String> {
        if self.is_replaced {
            let mut errata = world.errata.lock();
            let own = errata.advisory_mut(REPLACEMENT).unwrap();
            if own.state != AdvisoryState::RelPrep {
                return Err(format!("advisory {REPLACEMENT} is in {}", own.state.name()));
            }
            own.state = AdvisoryState::ShippedLive;
        }
        Action::ArtShips.carry_out(world, self.release)
    }

    /// The advisories that the release has had so far.
    fn advisories(&self) -> Vec<u32> {
        let mut all = advisories(self.release);
        all.extend(self.is_replaced.then_some(REPLACEMENT));
        all
    }

    /// The RPM advisory is dropped, and another one ships what it had.
    fn replace_advisory(&mut self, world: &World) {
        self.is_replaced = true;
        let mut errata = world.errata.lock();
        let old = errata.advisory_mut(advisories(self.release)[0]).unwrap();
        let mut new = old.clone();
        old.state = AdvisoryState::DroppedNoShip;
        old.jira_issues.clear();
        new.id = REPLACEMENT;
        new.assigned_to.clone_from(&new.package_owner);
        new.push_jobs.clear();
        new.state_changes.clear();
        new.edits.clear();
        new.push_scripts = std::iter::repeat_n(PushScript::StopsAt(PUSHING.to_owned()), REPEATED).collect();
        errata.advisories.insert(REPLACEMENT, new);
    }

    /// The build data as ART has it now.
    fn put_build_data(&self, world: &World) {
        if !self.is_announced {
            return;
        }
        let (before, own) = self.build_data.split_once(&format!("  {}:\n", self.release)).unwrap();
        let mut own = own.to_owned();
        if !self.has_ticket {
            let (_, ticket) = own.split_once("release_jira: ").unwrap();
            let ticket = ticket.lines().next().unwrap().to_owned();
            own = own.replacen(&ticket, "ART-0", 1);
        }
        if !self.has_advisory {
            let rpm = advisories(self.release).first().copied().unwrap();
            own = own.replacen(&format!("rpm: {rpm}"), "rpm: -1", 1);
        }
        if self.is_replaced {
            let rpm = advisories(self.release).first().copied().unwrap();
            own = own.replacen(&format!("rpm: {rpm}"), &format!("rpm: {REPLACEMENT}"), 1);
        }
        let text = format!("{before}  {}:\n{own}", self.release);
        let branch = format!("openshift-{}", stream(self.release));
        let now = world.clock.now();
        let mut github = world.github.lock();
        github.put(BUILD_DATA_REPOSITORY, &branch, "releases.yml", text, "Update releases.yml", now).unwrap();
    }

    fn commit(&mut self, world: &World, now: Timestamp) {
        self.commits += 1;
        let mut gitlab = world.gitlab.lock();
        let branch = gitlab.project_mut(PROJECT).unwrap().branches.get_mut(BRANCH).unwrap();
        let head = branch.head().unwrap();
        let mut files = head.files.clone();
        files.insert("notes.md".to_owned(), format!("Notes, number {}\n", self.commits));
        let signature = format!("art bot <art-bot@example.test> {} +0000", now.as_second());
        branch.push(Commit::new(files, vec![head.id], &signature, "Update notes\n"));
        gitlab.merge_request_mut(PROJECT, SHIPMENT_IID).unwrap().approved_by.clear();
    }
}

/// When jobs and builds end that run now, and for which node. A build in the queue begins within seconds.
pub(super) fn ends(world: &World) -> Vec<(Timestamp, Node)> {
    let now = world.clock.now();
    let jobs = world.prow.lock().jobs.iter().map(|job| job.started + job.duration).collect::<Vec<_>>();
    let mut jenkins = world.jenkins.lock();
    jenkins.advance(now);
    let builds = jenkins.jobs.iter().flat_map(|job| &job.builds).map(|build| build.started + build.duration);
    let queued =
        jenkins.items.iter().filter(|item| item.left.is_none()).map(|item| item.since + LEAVES_QUEUE);
    let builds = builds.chain(queued).map(|end| (end, STAGE));
    let found = jobs.into_iter().map(|end| (end, CONSISTENCY)).chain(builds);
    found.filter(|(end, _)| *end > now).collect()
}

fn set_stage_release(world: &World, status: &str) {
    let mut gitlab = world.gitlab.lock();
    let newest = gitlab.newest_pipeline(PROJECT, SHIPMENT_IID).unwrap().id;
    for pipeline in gitlab.pipelines.iter_mut().filter(|pipeline| pipeline.id == newest) {
        for job in pipeline.bridges.iter_mut().filter(|job| job.name == "stage-job") {
            status.clone_into(&mut job.status);
        }
    }
}

fn record_path(build: &str) -> String {
    format!("_releases/ocp-test-result-{build}-amd64.json")
}

fn put_record(world: &World, stream_name: &str, build: &str, record: Record, now: Timestamp) {
    let mut github = world.github.lock();
    let path = record_path(build);
    let minor: Vec<&str> = build.splitn(3, '.').take(2).collect();
    let minor = minor.join(".");
    let jobs = if build.contains("nightly") { nightly_jobs(&minor) } else { stable_jobs(&minor) };
    let (state, flags): (&str, &[(&str, bool)]) = match record {
        Record::Absent => {
            // It need not be there.
            let _ = github.remove(STATE_REPOSITORY, RECORD_BRANCH, &path, now);
            return;
        }
        Record::Broken => {
            github.put(STATE_REPOSITORY, RECORD_BRANCH, &path, "{\"result\": [", "broken", now).unwrap();
            return;
        }
        Record::Running => ("pending", &[]),
        Record::Accepted => ("success", &[("aggregated", true), ("accepted", true)]),
        Record::Rejected => ("failure", &[("aggregated", true), ("accepted", false)]),
        Record::ByHand => {
            ("failure", &[("aggregated", true), ("accepted", false), ("manual_promotion", true)])
        }
    };
    let runs: Vec<_> = jobs.into_iter().map(|(job, _)| (job, (state, &[][..]))).collect();
    let started = now - SignedDuration::from_mins(10);
    let text = result_file(stream_name, build, started, &runs, flags);
    github.put(STATE_REPOSITORY, RECORD_BRANCH, &path, text, "another record", now).unwrap();
}
