//! What others do with a release, and how long everything takes.

use jiff::{SignedDuration, Timestamp};
use oar_core::version::ReleaseVersion;
use sandbox::services::prow::JobState;
use sandbox::services::release_controller::Phase;

use crate::{ERRATA, KONFLUX};

/// The record of a build's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// There is none.
    Absent,
    /// The file is no JSON.
    Broken,
    /// The tests run.
    Running,
    /// All have ended, and the build is accepted.
    Accepted,
    /// All have ended, and the build is rejected.
    Rejected,
    /// It is rejected, and ART has promoted it by hand.
    ByHand,
}

/// Something that others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// ART announces the release in the build data.
    Announced,
    /// ART finishes the files of advisories that are in `NEW_FILES`.
    AdvisoriesReady,
    /// A placeholder stands for the ticket of the release.
    TicketPending,
    /// `-1` stands for the RPM advisory.
    AdvisoryPending,
    /// ART has the ticket of the release, for which a placeholder stood.
    Ticket,
    /// ART has the RPM advisory, for which `-1` stood.
    Advisory,
    /// The release controller shows the release in this phase.
    Promotion(Phase),
    /// The shipment merge request is no draft any more.
    ShipmentReady,
    /// ART commits to the shipment merge request.
    ShipmentCommit,
    /// The trigger job of the stage release has this status.
    StageRelease(&'static str),
    /// The record of the candidate build.
    Candidate(Record),
    /// The record of the promoted build.
    Tests(Record),
    /// The QA contacts verify the bugs.
    BugsVerified,
    /// ART starts the consistency job of an Errata release.
    ConsistencyJob,
    /// The page that the payload names comes up.
    Published,
    /// ART ships another RPM advisory instead of the one that it had announced.
    AdvisoryReplaced,
    /// A push to staging ends.
    PushEnds,
}

/// The whole course of a release.
#[derive(Debug, Clone)]
pub struct Course {
    /// What it is called in output.
    pub name: String,
    /// The release of the scenario that takes it.
    pub release: &'static str,
    /// When ART announces it.
    pub announced: Timestamp,
    /// What others do, in the order of time.
    pub events: Vec<(Timestamp, Event)>,
    /// How long a push takes.
    pub push: SignedDuration,
    /// Whether the first push of the RPM advisory fails.
    pub push_fails: bool,
    /// How the consistency jobs end, one after the other; the last one repeats.
    pub consistency: Vec<(JobState, SignedDuration)>,
    /// How the builds of the stage pipeline end, one after the other; the last one repeats.
    pub stage: Vec<(&'static str, SignedDuration)>,
    /// How long people take to answer, one question after the other; the last one repeats.
    pub answers: Vec<SignedDuration>,
    /// What people decide about a build that is rejected, one question after the other; the last one repeats.
    pub decisions: Vec<&'static str>,
    /// From the approval until ART has shipped.
    pub shipping: SignedDuration,
}

/// What people decide in the end about a build that is rejected.
pub const ACCEPT: &str = "accept";
/// Noon is too late: ART announces in the morning.
const HOUR_OF_ANNOUNCEMENT: i64 = 11;

pub(super) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub(super) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// The day on which a release of the scenario ships.
pub fn release_day(release: &str) -> Timestamp {
    const KONFLUX_DAY: Timestamp = Timestamp::constant(1_783_382_400, 0);
    const ERRATA_DAY: Timestamp = Timestamp::constant(1_783_555_200, 0);
    if release == KONFLUX { KONFLUX_DAY } else { ERRATA_DAY }
}

impl Course {
    /// Whether the release ships by a shipment merge request.
    pub fn is_konflux(&self) -> bool {
        self.release != ERRATA
    }

    /// The release's version.
    ///
    /// # Panics
    /// Never: the releases of the scenario have versions.
    #[expect(clippy::unwrap_used, reason = "the releases of the scenario have versions")]
    pub fn version(&self) -> ReleaseVersion {
        self.release.parse().unwrap()
    }

    /// A clean release: nothing fails, everything takes as long as it usually does.
    pub fn clean(release: &'static str) -> Self {
        let announced = release_day(release) - hours(5 * 24 - HOUR_OF_ANNOUNCEMENT);
        let after = |time: SignedDuration, event: Event| (announced + time, event);
        let mut events = vec![
            after(SignedDuration::ZERO, Event::Announced),
            after(SignedDuration::ZERO, Event::AdvisoriesReady),
            after(SignedDuration::ZERO, Event::Candidate(Record::Accepted)),
            after(minutes(9 * 60 + 10), Event::Promotion(Phase::Accepted)),
            after(minutes(9 * 60 + 50), Event::Tests(Record::Running)),
            after(minutes(13 * 60 + 50), Event::Tests(Record::Accepted)),
            after(hours(6), Event::BugsVerified),
        ];
        if release == ERRATA {
            events.push(after(minutes(9 * 60 + 40), Event::ConsistencyJob));
        } else {
            events.extend([
                after(hours(2), Event::ShipmentReady),
                after(minutes(9 * 60 + 20), Event::ShipmentCommit),
                after(minutes(10 * 60 + 10), Event::StageRelease("success")),
                (release_day(release) + hours(9), Event::Published),
            ]);
        }
        Self {
            name: format!("{release}, clean"),
            release,
            announced,
            events,
            push: hours(2),
            push_fails: false,
            consistency: vec![(JobState::Success, hours(3))],
            stage: vec![("SUCCESS", minutes(4 * 60 + 24))],
            answers: vec![minutes(5)],
            decisions: vec![ACCEPT],
            shipping: hours(3),
        }
        .in_order()
    }

    /// Clean releases, but for what happens seldom and is hard: another advisory when the release has its owner, a push that
    /// fails, a page that is later than the approval is waited for, people who first wait or reject, and bugs that are
    /// verified so late that some are dropped.
    pub fn hard() -> Vec<Self> {
        let named = |release: &'static str, name: &str| {
            let clean = Self::clean(release);
            Self { name: format!("{release}, {name}"), ..clean }
        };
        let rejected = |release: &'static str, first: &'static str| {
            let mut course =
                Self { decisions: vec![first, ACCEPT], ..named(release, &format!("first {first}")) };
            for (_, event) in &mut course.events {
                if *event == Event::Tests(Record::Accepted) {
                    *event = Event::Tests(Record::Rejected);
                }
            }
            course
        };
        let replaced = [KONFLUX, ERRATA].map(|release| {
            let mut course = named(release, "with another advisory");
            course.events.push((course.announced + hours(4), Event::AdvisoryReplaced));
            course
        });
        let mut late = named(KONFLUX, "with a late page");
        late.events.retain(|(_, event)| *event != Event::Published);
        late.events.push((release_day(KONFLUX) + hours(53), Event::Published));
        let mut all = vec![
            rejected(KONFLUX, "wait"),
            rejected(ERRATA, "reject"),
            late,
            Self { push_fails: true, ..named(KONFLUX, "with a failed push") },
        ];
        all.extend(replaced);
        all.extend([KONFLUX, ERRATA].map(|release| {
            let mut course = named(release, "with bugs that are verified late");
            course.events.retain(|(_, event)| *event != Event::BugsVerified);
            // Those that may not be dropped, on the day before the approval.
            course.events.push((release_day(release) - hours(30), Event::BugsVerified));
            course
        }));
        all.into_iter().map(Self::in_order).collect()
    }

    pub(super) fn in_order(mut self) -> Self {
        self.events.sort_by_key(|(at, _)| *at);
        self
    }
}
