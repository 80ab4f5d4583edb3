//! Courses that are drawn from a seed, with the durations and rates of spec 05 §8.6.

use jiff::{SignedDuration, Timestamp};
use sandbox::services::prow::JobState;
use sandbox::services::release_controller::Phase;

use super::course::{ACCEPT, Course, Event, Record, hours, minutes, release_day};
use crate::matrix::sample::Numbers;
use crate::{ERRATA, KONFLUX};

/// Minutes at the tenth, the fiftieth and the ninetieth percentile.
type Minutes = [u64; 3];

const PUSH: Minutes = [16, 120, 39 * 60];
const CONSISTENCY: Minutes = [26, 180, 61 * 60];
const STAGE: Minutes = [120, 264, 65 * 60];
const KONFLUX_RECORD: Minutes = [5 * 60, 546, 19 * 60];
const ERRATA_RECORD: Minutes = [258, 492, 20 * 60 + 12];
const KONFLUX_AGGREGATED: Minutes = [180, 240, 468];
const ERRATA_AGGREGATED: Minutes = [180, 198, 342];
const ANSWER: Minutes = [5, 5 * 60, 84 * 60];
/// How many answers are drawn; the last one repeats.
const ANSWERS: usize = 12;

fn drawn(numbers: &mut Numbers, [low, middle, high]: Minutes) -> SignedDuration {
    let between = |from: u64, to: u64, part: u64| from + (to - from) * part / 400;
    let found = match numbers.below(1000) {
        place @ ..100 => low / 2 + low / 2 * place / 100,
        place @ ..500 => between(low, middle, place - 100),
        place @ ..900 => between(middle, high, place - 500),
        place => high + high / 5 * (place - 900) / 100,
    };
    SignedDuration::from_mins(i64::try_from(found).unwrap_or(i64::MAX))
}

fn one_of<const N: usize>(numbers: &mut Numbers, all: [(u64, usize); N]) -> usize {
    let mut place = numbers.below(all.iter().map(|(weight, _)| weight).sum());
    for (weight, what) in all {
        if place < weight {
            return what;
        }
        place -= weight;
    }
    0
}

impl Course {
    /// The course of a seed. Failures have their real rates; what is rare in real releases (placeholders in the build data,
    /// broken files, verdicts that change) happens more often.
    pub fn drawn(seed: u64) -> Self {
        let mut numbers = Numbers::of(seed);
        let release = if seed.is_multiple_of(3) { ERRATA } else { KONFLUX };
        let is_errata = release == ERRATA;
        let within = |numbers: &mut Numbers, count: u64| {
            minutes(i64::try_from(numbers.below(count)).unwrap_or_default())
        };
        let announced = release_day(release) - hours(4 * 24) - within(&mut numbers, 2 * 24 * 60);
        let mut events: Vec<(Timestamp, Event)> = vec![(announced, Event::Announced)];
        let record_after = drawn(&mut numbers, if is_errata { ERRATA_RECORD } else { KONFLUX_RECORD });
        let record = announced + record_after;
        let promoted = record - minutes(10) - within(&mut numbers, 110);
        let aggregated =
            record + drawn(&mut numbers, if is_errata { ERRATA_AGGREGATED } else { KONFLUX_AGGREGATED });
        // ART finishes the files before anybody pushes, or lets people wait.
        let ready = if numbers.below(167) < 32 { within(&mut numbers, 20 * 60) } else { minutes(1) };
        events.push((announced + ready, Event::AdvisoriesReady));
        match one_of(&mut numbers, [(24, 0), (60, 1), (30, 4), (13, 2), (16, 3)]) {
            0 => {}
            1 => events.push((announced, Event::Candidate(Record::Accepted))),
            2 => events.push((announced, Event::Candidate(Record::Rejected))),
            4 => {
                events.push((announced, Event::Candidate(Record::Accepted)));
                // Its record is deleted after some days.
                let deleted = announced + hours(3) + within(&mut numbers, 60 * 60);
                events.push((deleted, Event::Candidate(Record::Absent)));
            }
            _ => {
                events.push((announced, Event::Candidate(Record::Running)));
                let ended = announced + minutes(30) + within(&mut numbers, 300);
                events.push((ended, Event::Candidate(Record::Accepted)));
            }
        }
        if numbers.below(6) == 0 {
            events.push((promoted - minutes(8), Event::Promotion(Phase::Rejected)));
        }
        events.push((promoted, Event::Promotion(Phase::Accepted)));
        events.push((record, Event::Tests(Record::Running)));
        if numbers.below(6) == 0 {
            events.push((record + minutes(31), Event::Tests(Record::Broken)));
            events.push((record + minutes(63), Event::Tests(Record::Running)));
        }
        events.extend(verdicts(&mut numbers, aggregated));
        if numbers.below(5) == 0 {
            events.push((announced - minutes(1), Event::AdvisoryPending));
            events.push((announced + minutes(6) + within(&mut numbers, 90), Event::Advisory));
        }
        if numbers.below(6) == 0 {
            events.push((announced - minutes(1), Event::TicketPending));
            events.push((announced + minutes(12) + within(&mut numbers, 200), Event::Ticket));
        }
        events.push((announced + hours(6) + within(&mut numbers, 20 * 60), Event::BugsVerified));
        if is_errata {
            events.push((promoted + minutes(5) + within(&mut numbers, 60), Event::ConsistencyJob));
        } else {
            events.push((announced + within(&mut numbers, 240), Event::ShipmentReady));
            events.push((promoted + minutes(3), Event::ShipmentCommit));
            let released = promoted + minutes(20) + within(&mut numbers, 120);
            // The stage release fails in some, and is repeated.
            if numbers.below(167) < 18 {
                events.push((released - minutes(10), Event::StageRelease("failed")));
                let again = released + hours(1) + within(&mut numbers, 300);
                events.push((again, Event::StageRelease("success")));
            } else {
                events.push((released, Event::StageRelease("success")));
            }
            events.push((release_day(release) + hours(8) + within(&mut numbers, 8 * 60), Event::Published));
        }
        let mut consistency = Vec::new();
        if numbers.below(135) < 30 {
            let end = [JobState::Failure, JobState::Aborted, JobState::Error];
            let end = end.get(one_of(&mut numbers, [(1, 0), (1, 1), (1, 2)])).copied();
            consistency.push((end.unwrap_or(JobState::Failure), drawn(&mut numbers, CONSISTENCY)));
        }
        consistency.push((JobState::Success, drawn(&mut numbers, CONSISTENCY)));
        let mut stage = Vec::new();
        while numbers.below(135) < 52 && stage.len() < 4 {
            let end = if numbers.below(3) == 0 { "ABORTED" } else { "FAILURE" };
            stage.push((end, drawn(&mut numbers, STAGE)));
        }
        stage.push(("SUCCESS", drawn(&mut numbers, STAGE)));
        let mut course = Self {
            name: format!("{release}, seed {seed}"),
            release,
            announced,
            events,
            push: drawn(&mut numbers, PUSH),
            push_fails: false,
            consistency,
            stage,
            answers: (0..ANSWERS).map(|_| drawn(&mut numbers, ANSWER)).collect(),
            decisions: vec![ACCEPT],
            shipping: hours(1) + within(&mut numbers, 300),
        };
        course.draw_what_is_hard(&mut numbers);
        course.in_order()
    }
}

impl Course {
    /// Adds what is rare and hard (`Course::hard`).
    fn draw_what_is_hard(&mut self, numbers: &mut Numbers) {
        self.push_fails = numbers.below(8) == 0;
        if numbers.below(8) == 0 {
            let after = hours(3) + minutes(i64::try_from(numbers.below(180)).unwrap_or_default());
            self.events.push((self.announced + after, Event::AdvisoryReplaced));
        }
        let late =
            release_day(self.release) + hours(50 + i64::try_from(numbers.below(20)).unwrap_or_default());
        if numbers.below(8) == 0 {
            let page = self.events.iter_mut().find(|(_, event)| *event == Event::Published);
            if let Some((at, _)) = page {
                *at = late;
            }
        }
        match numbers.below(4) {
            0 => self.decisions.insert(0, "wait"),
            1 => self.decisions.insert(0, "reject"),
            _ => {}
        }
    }
}

/// What is said of the promoted build, from `aggregated` on.
fn verdicts(numbers: &mut Numbers, aggregated: Timestamp) -> Vec<(Timestamp, Event)> {
    let tests = |after: SignedDuration, record: Record| (aggregated + after, Event::Tests(record));
    let at_once = SignedDuration::ZERO;
    match one_of(numbers, [(90, 0), (27, 1), (8, 2), (9, 3), (6, 4), (6, 5)]) {
        0 => vec![tests(at_once, Record::Accepted)],
        1 => vec![tests(at_once, Record::Rejected)],
        2 => vec![
            tests(at_once, Record::Rejected),
            tests(hours(40), Record::Running),
            tests(hours(40) + minutes(7), Record::ByHand),
        ],
        3 => vec![tests(at_once, Record::Rejected), tests(hours(9), Record::Accepted)],
        4 => vec![tests(at_once, Record::Accepted), tests(hours(30), Record::Rejected)],
        _ => vec![
            tests(at_once, Record::Accepted),
            tests(hours(20), Record::Running),
            tests(hours(38), Record::Accepted),
        ],
    }
}
