//! What is accepted although it is not healthy: the threshold and the waivers.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::grade::Grade;

/// The worst that a waiver accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub enum Accepts {
    /// This grade and better ones.
    Grade(Grade),
    /// An image that the catalog has no grade of. A catalog that did not answer is never waived.
    Ungraded,
}

/// Somebody's decision that a component may ship with a bad grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Waiver {
    /// The component, exactly as the advisory names it (in Errata releases the build without version and release).
    pub component: String,
    /// The worst that is accepted.
    pub accepts: Accepts,
    /// The last day on which it counts, UTC.
    #[schemars(with = "String")]
    pub until: Date,
    /// Who decided.
    pub who: String,
    /// Why.
    pub why: String,
}

impl Waiver {
    /// Whether it still counts.
    pub fn counts(&self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).date() <= self.until
    }
}

/// What is accepted although it is not healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthPolicy {
    /// How many unhealthy images, waived ones not counted, still pass.
    pub unhealthy_allowed: usize,
    /// The waivers, ended ones too.
    pub waivers: Vec<Waiver>,
    /// The number of days before a drop of a grade in which it is reported; 0 for never. It does not change
    /// the verdict.
    pub warn_days: u16,
}

impl HealthPolicy {
    /// The waiver that accepts `component` with `found` at `now`; `None` as the grade stands for an image without one.
    pub fn waiver(&self, component: &str, found: Option<Grade>, now: Timestamp) -> Option<&Waiver> {
        self.waivers.iter().find(|waiver| {
            waiver.component == component
                && waiver.counts(now)
                && match (waiver.accepts, found) {
                    (Accepts::Grade(worst), Some(grade)) => grade <= worst,
                    (Accepts::Ungraded, None) => true,
                    _ => false,
                }
        })
    }

    /// The waivers whose time is over.
    pub fn ended(&self, now: Timestamp) -> impl Iterator<Item = &Waiver> {
        self.waivers.iter().filter(move |waiver| !waiver.counts(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_is_for_one_component_one_grade_and_a_time() {
        let policy = HealthPolicy {
            unhealthy_allowed: 0,
            warn_days: 0,
            waivers: vec![Waiver {
                component: "demo".into(),
                accepts: Accepts::Grade(Grade::C),
                until: "2026-07-02".parse().unwrap(),
                who: "lead".into(),
                why: "known".into(),
            }],
        };
        let last: Timestamp = "2026-07-02T23:59:59Z".parse().unwrap();
        let after: Timestamp = "2026-07-03T00:00:00Z".parse().unwrap();
        assert!(policy.waiver("demo", Some(Grade::C), last).is_some());
        assert!(policy.waiver("demo", Some(Grade::D), last).is_none(), "worse than was accepted");
        assert!(policy.waiver("demo", None, last).is_none(), "unknown is no grade");
        assert!(policy.waiver("demo-operator", Some(Grade::C), last).is_none(), "another component");
        assert!(policy.waiver("demo", Some(Grade::C), after).is_none(), "its time is over");
        assert_eq!(policy.ended(after).count(), 1);
        assert_eq!(policy.ended(last).count(), 0);
    }
}
