//! Where the time of a release went, as the plans of the engine's passes show it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use oar_core::drive::plan::DrivePlan;
use oar_core::statebox::Share;

/// What is known of the time so far.
#[derive(Debug, Default)]
pub struct Shares {
    since: Option<(Timestamp, Share)>,
    /// The sums.
    pub totals: BTreeMap<Share, SignedDuration>,
}

/// Whose time begins after a pass that left this plan.
fn share(plan: &DrivePlan) -> Share {
    // A look at what another system does is not what it waits for.
    if plan.now.iter().any(|run| !run.only_looks) || !plan.defects.is_empty() {
        // It can go on, and nobody is at it.
        Share::Nobody
    } else if !plan.people.is_empty() {
        Share::Person
    } else {
        Share::Systems
    }
}

impl Shares {
    /// A pass ended with this plan.
    pub(super) fn passed(&mut self, plan: &DrivePlan, at: Timestamp) {
        self.ended(at);
        self.since = Some((at, share(plan)));
    }

    /// The release is approved, or its time is no longer counted.
    pub(super) fn ended(&mut self, at: Timestamp) {
        if let Some((since, share)) = self.since.take() {
            *self.totals.entry(share).or_default() += at.duration_since(since);
        }
    }

    /// The time of a share.
    pub fn of(&self, share: Share) -> SignedDuration {
        self.totals.get(&share).copied().unwrap_or_default()
    }

    /// The whole time.
    pub fn whole(&self) -> SignedDuration {
        self.totals.values().copied().fold(SignedDuration::ZERO, |sum, part| sum + part)
    }
}
