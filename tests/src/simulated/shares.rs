//! Where the time of a release went. What others are at, the world says; what people are asked, the plan.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use oar_core::statebox::Share;

use super::TIMER;

/// Whose the time after a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) share: Share,
    /// When the release can go on; from then on the next pass of the engine is awaited.
    pub(super) until: Option<Timestamp>,
}

/// What is known of the time so far.
#[derive(Debug, Default)]
pub struct Shares {
    since: Option<(Timestamp, Whose)>,
    /// The sums.
    pub totals: BTreeMap<Share, SignedDuration>,
}

impl Shares {
    /// A pass ended.
    pub(super) fn passed(&mut self, whose: Whose, at: Timestamp) {
        self.ended(at);
        self.since = Some((at, whose));
    }

    /// The release is approved, or its time is no longer counted.
    pub(super) fn ended(&mut self, at: Timestamp) {
        let Some((since, Whose { share, until })) = self.since.take() else { return };
        let until = until.unwrap_or(at).clamp(since, at);
        let ticked = (until + TIMER).min(at);
        for (share, from, to) in
            [(share, since, until), (Share::Tools, until, ticked), (Share::Nobody, ticked, at)]
        {
            *self.totals.entry(share).or_default() += to.duration_since(from);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_than_the_next_pass_is_nobodys_time() {
        let at = |minute: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let mut shares = Shares::default();
        shares.passed(Whose { share: Share::Systems, until: Some(at(10)) }, at(0));
        shares.passed(Whose { share: Share::Person, until: None }, at(31));
        shares.ended(at(41));
        let minutes = Share::ALL.map(|share| shares.of(share).as_mins());
        assert_eq!(minutes, [2, 10, 10, 19]);
        assert_eq!(shares.whole(), SignedDuration::from_mins(41));
    }
}
