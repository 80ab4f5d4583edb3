//! Real releases (spec 05 §8.12) whose courses the releases of the scenario take.

use jiff::SignedDuration;
use sandbox::services::prow::JobState;
use sandbox::services::release_controller::Phase;

use super::course::{ACCEPT, Course, Event, Record, hours, minutes, release_day};
use crate::{ERRATA, KONFLUX};

/// Hours and minutes.
const fn time(hours: i64, minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(hours * 60 + minutes)
}

/// A real release.
struct Real {
    version: &'static str,
    release: &'static str,
    /// From its announcement to the beginning of its day.
    ahead: SignedDuration,
    /// From the announcement until the advisories were ready.
    ready: SignedDuration,
    promoted: SignedDuration,
    /// From the announcement, what the record of the promoted build said.
    tests: &'static [(SignedDuration, Record)],
    push: SignedDuration,
    consistency: SignedDuration,
    stage: &'static [(&'static str, SignedDuration)],
    /// From the beginning of its day.
    published: SignedDuration,
    answers: SignedDuration,
}

use Record::{Accepted, ByHand, Rejected, Running};

const REAL: [Real; 8] = [
    Real {
        version: "4.21.12",
        release: KONFLUX,
        ahead: time(108, 52),
        ready: time(3, 15),
        promoted: time(7, 50),
        tests: &[(time(8, 32), Running), (time(12, 27), Accepted)],
        push: time(5, 17),
        consistency: time(3, 0),
        stage: &[("SUCCESS", time(4, 24))],
        published: time(8, 26),
        answers: time(1, 7),
    },
    Real {
        version: "4.22.2",
        release: KONFLUX,
        ahead: time(108, 45),
        ready: time(0, 30),
        promoted: time(9, 40),
        tests: &[
            (time(10, 15), Running),
            (time(15, 22), Rejected),
            (time(88, 19), Running),
            (time(88, 26), ByHand),
        ],
        push: time(2, 0),
        consistency: time(3, 14),
        stage: &[("SUCCESS", time(3, 14))],
        published: time(9, 44),
        answers: time(84, 0),
    },
    Real {
        version: "4.20.22",
        release: KONFLUX,
        ahead: time(14, 51),
        ready: time(0, 5),
        promoted: time(10, 15),
        tests: &[(time(11, 30), Running), (time(14, 18), Accepted)],
        push: time(2, 35),
        consistency: time(0, 57),
        stage: &[("SUCCESS", time(0, 59))],
        published: time(12, 32),
        answers: time(0, 20),
    },
    Real {
        version: "4.14.65",
        release: KONFLUX,
        ahead: time(126, 47),
        ready: time(70, 7),
        promoted: time(61, 40),
        tests: &[(time(62, 19), Running), (time(70, 13), Rejected)],
        push: time(1, 30),
        consistency: time(2, 25),
        stage: &[("SUCCESS", time(5, 45))],
        published: time(-27, -51),
        answers: time(23, 20),
    },
    Real {
        version: "4.16.64",
        release: KONFLUX,
        ahead: time(153, 41),
        ready: time(0, 30),
        promoted: time(18, 20),
        tests: &[
            (time(19, 7), Running),
            (time(23, 35), Rejected),
            (time(49, 19), Running),
            (time(67, 17), Rejected),
        ],
        push: time(1, 12),
        consistency: time(0, 51),
        stage: &[
            ("FAILURE", time(5, 42)),
            ("FAILURE", time(41, 24)),
            ("FAILURE", time(1, 56)),
            ("FAILURE", time(4, 50)),
            ("SUCCESS", time(34, 10)),
        ],
        published: time(120, 0),
        answers: time(5, 0),
    },
    Real {
        version: "4.18.39",
        release: KONFLUX,
        ahead: time(134, 2),
        ready: time(0, 5),
        promoted: time(8, 50),
        tests: &[(time(9, 25), Running), (time(14, 38), Accepted)],
        push: time(1, 36),
        consistency: time(0, 16),
        stage: &[("SUCCESS", time(73, 9))],
        published: time(128, 33),
        answers: time(0, 5),
    },
    Real {
        version: "4.18.22",
        release: ERRATA,
        ahead: time(133, 10),
        ready: time(0, 5),
        promoted: time(8, 0),
        tests: &[(time(8, 45), Running), (time(13, 43), Accepted)],
        push: time(2, 0),
        consistency: time(3, 0),
        stage: &[("SUCCESS", time(4, 24))],
        published: time(9, 0),
        answers: time(5, 0),
    },
    Real {
        version: "4.19.2",
        release: ERRATA,
        ahead: time(134, 55),
        ready: time(0, 5),
        promoted: time(22, 40),
        tests: &[
            (time(23, 16), Running),
            (time(26, 22), Rejected),
            (time(138, 7), Running),
            (time(141, 27), Accepted),
        ],
        push: time(2, 0),
        consistency: time(3, 0),
        stage: &[("SUCCESS", time(4, 24))],
        published: time(9, 0),
        answers: time(84, 0),
    },
];

impl Course {
    /// The courses of real releases.
    pub fn replayed() -> Vec<Self> {
        REAL.iter().map(Real::course).collect()
    }
}

impl Real {
    fn course(&self) -> Course {
        let day = release_day(self.release);
        let announced = day - self.ahead;
        let after = |time: SignedDuration, event: Event| (announced + time, event);
        let mut events = vec![
            after(SignedDuration::ZERO, Event::Announced),
            after(SignedDuration::ZERO, Event::Candidate(Record::Accepted)),
            after(self.ready, Event::AdvisoriesReady),
            after(self.promoted, Event::Promotion(Phase::Accepted)),
            after(self.promoted + hours(6), Event::BugsVerified),
        ];
        events.extend(self.tests.iter().map(|(time, record)| after(*time, Event::Tests(*record))));
        if self.release == ERRATA {
            events.push(after(self.promoted + minutes(20), Event::ConsistencyJob));
        } else {
            events.extend([
                after(minutes(90), Event::ShipmentReady),
                after(self.promoted + minutes(3), Event::ShipmentCommit),
                after(self.promoted + minutes(40), Event::StageRelease("success")),
                (day + self.published, Event::Published),
            ]);
        }
        Course {
            name: format!("{}, as {} went", self.release, self.version),
            release: self.release,
            announced,
            events,
            push: self.push,
            push_fails: false,
            consistency: vec![(JobState::Success, self.consistency)],
            stage: self.stage.to_vec(),
            answers: vec![self.answers],
            decisions: vec![ACCEPT],
            shipping: hours(3),
        }
        .in_order()
    }
}
