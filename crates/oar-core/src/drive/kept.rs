//! Plans of critical steps that were made a short time ago, and serve while a consent is awaited: each takes many requests, and a
//! pass is made every two minutes.
//!
//! A plan is made anew when the StateBox or ART's build data has changed, and after its time. Only a plan that would act is kept,
//! whatever the policy says of its step; the run makes its own. The file is in the user's cache directory and can be deleted at any time; a
//! damaged one is as good as none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{ApprovalGates, BuildData, DropsView, Fact, FactKey, Facts, Seen};
use crate::files;
use crate::notify::short_hash;
use crate::statebox::State;
use crate::version::ReleaseVersion;

/// How long open gates of an approval serve: the run looks at them again.
pub(super) const GATES_SERVE: SignedDuration = SignedDuration::from_mins(10);
/// How long a plan of `drop-bugs` serves: less than a pass takes to come, because without a bug to drop the task passes at once, and
/// the last one may be verified at any time.
pub(super) const DROPS_SERVE: SignedDuration = SignedDuration::from_secs(90);
/// The largest file that is read, in bytes.
const SIZE_LIMIT: u64 = 256 * 1024;

/// The kept plans of one release.
pub(super) struct Kept {
    path: PathBuf,
    /// The StateBox, and where it is.
    rests_on: String,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    rests_on: String,
    drops: Option<Plan<Vec<String>>>,
    /// The gates of the approval were open.
    approval: Option<Plan<()>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Plan<T> {
    at: Timestamp,
    address: String,
    value: T,
}

impl<T> Plan<T> {
    fn serves(&self, now: Timestamp, long: SignedDuration) -> bool {
        let age = now.duration_since(self.at);
        !age.is_negative() && age < long
    }

    fn into_fact<U>(self, view: impl FnOnce(T) -> U) -> Fact<U> {
        Fact::Known(Seen { value: view(self.value), at: self.at, address: self.address })
    }
}

impl Kept {
    /// The plans of `release` below the cache directory `home`.
    pub(super) fn new(home: &Path, release: &ReleaseVersion, state: &State, location: &str) -> Self {
        let path = home.join("plans").join(format!("{release}.json"));
        Self { path, rests_on: short_hash([location, &state.to_yaml()]) }
    }

    /// Puts those of `keys` into `facts` that still serve, and leaves the others in `keys`.
    pub(super) fn fill(&self, keys: &mut BTreeSet<FactKey>, facts: &mut Facts, now: Timestamp) {
        if !keys.contains(&FactKey::Drops) && !keys.contains(&FactKey::ApprovalGates) {
            return;
        }
        let file = self.load(facts);
        let drops = file.drops.filter(|plan| plan.serves(now, DROPS_SERVE));
        if let Some(plan) = drops.filter(|_| keys.remove(&FactKey::Drops)) {
            facts.drops = plan.into_fact(DropsView::Steps);
        }
        let approval = file.approval.filter(|plan| plan.serves(now, GATES_SERVE));
        if let Some(plan) = approval.filter(|_| keys.remove(&FactKey::ApprovalGates)) {
            facts.approval_gates = plan.into_fact(|()| ApprovalGates::Open);
        }
    }

    /// Keeps what was read of `keys`. A failure is only logged: less is read with it, and nothing depends on it.
    pub(super) fn keep(&self, keys: &BTreeSet<FactKey>, facts: &Facts) {
        if !keys.contains(&FactKey::Drops) && !keys.contains(&FactKey::ApprovalGates) {
            return;
        }
        let before = self.load(facts);
        let drops = match &facts.drops {
            _ if !keys.contains(&FactKey::Drops) => before.drops.clone(),
            Fact::Known(Seen { value: DropsView::Steps(steps), at, address }) if !steps.is_empty() => {
                Some(Plan { at: *at, address: address.clone(), value: steps.clone() })
            }
            _ => None,
        };
        let approval = match &facts.approval_gates {
            _ if !keys.contains(&FactKey::ApprovalGates) => before.approval.clone(),
            Fact::Known(Seen { value: ApprovalGates::Open, at, address }) => {
                Some(Plan { at: *at, address: address.clone(), value: () })
            }
            _ => None,
        };
        let file = File { rests_on: self.rests_on(facts), drops, approval };
        if file != before
            && let Err(error) = self.store(&file)
        {
            tracing::debug!("plans are not kept in {}: {error}", self.path.display());
        }
    }

    /// What the plans rest on, as far as it is read in each pass.
    fn rests_on(&self, facts: &Facts) -> String {
        let data = match facts.build_data.value() {
            Some(BuildData::Present { metadata, .. }) => format!("{metadata:?}"),
            _ => String::new(),
        };
        short_hash([self.rests_on.as_str(), data.as_str()])
    }

    fn load(&self, facts: &Facts) -> File {
        let rests_on = self.rests_on(facts);
        let text = files::read(&self.path, SIZE_LIMIT).unwrap_or_default();
        let file = serde_json::from_slice(&text).ok().filter(|file: &File| file.rests_on == rests_on);
        file.unwrap_or_else(|| File { rests_on, ..File::default() })
    }

    fn store(&self, file: &File) -> std::io::Result<()> {
        files::replace(&self.path, &serde_json::to_vec(file)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::Metadata;

    const BOTH: [FactKey; 2] = [FactKey::Drops, FactKey::ApprovalGates];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn known<T>(value: T, now: Timestamp) -> Fact<T> {
        Fact::Known(Seen { value, at: now, address: "https://service.example.test/".to_owned() })
    }

    fn read(drops: DropsView, gates: ApprovalGates, metadata: Metadata, now: Timestamp) -> Facts {
        let metadata = Box::new(metadata);
        Facts {
            build_data: known(BuildData::Present { metadata, has_owner: true }, now),
            drops: known(drops, now),
            approval_gates: known(gates, now),
            ..Facts::default()
        }
    }

    /// What is still to be read at `now`.
    fn missing(kept: &Kept, metadata: &Metadata, now: Timestamp) -> Vec<FactKey> {
        let build_data = BuildData::Present { metadata: Box::new(metadata.clone()), has_owner: true };
        let mut facts = Facts { build_data: known(build_data, now), ..Facts::default() };
        let mut keys = BTreeSet::from(BOTH);
        kept.fill(&mut keys, &mut facts, now);
        for key in BOTH {
            let is_known = facts.missing([key]).is_empty();
            assert_ne!(is_known, keys.contains(&key), "{key:?}");
        }
        keys.into_iter().collect()
    }

    #[test]
    fn a_plan_serves_for_a_while_as_long_as_nothing_that_it_rests_on_changes() {
        let (home, now) = (tempfile::tempdir().unwrap(), at("2026-07-06T12:00:00Z"));
        let (release, metadata) = ("4.19.1".parse().unwrap(), Metadata::default());
        let state = State::new(&release, &metadata, now);
        let kept = Kept::new(home.path(), &release, &state, "4.19.1.yaml");
        assert_eq!(missing(&kept, &metadata, now), BOTH);
        let steps = DropsView::Steps(vec!["remove OCPBUGS-1".to_owned()]);
        let facts = read(steps, ApprovalGates::Open, metadata.clone(), now);
        kept.keep(&BTreeSet::from(BOTH), &facts);
        assert_eq!(missing(&kept, &metadata, now), []);
        let second = SignedDuration::from_secs(1);
        assert_eq!(missing(&kept, &metadata, now + DROPS_SERVE - second), []);
        assert_eq!(missing(&kept, &metadata, now + DROPS_SERVE), [FactKey::Drops]);
        assert_eq!(missing(&kept, &metadata, now + GATES_SERVE - second), [FactKey::Drops]);
        assert_eq!(missing(&kept, &metadata, now + GATES_SERVE), BOTH);
        assert_eq!(
            missing(&kept, &metadata, now - SignedDuration::from_secs(1)),
            BOTH,
            "read later than now"
        );
        let other = Metadata { jira_ticket: Some("ART-2".to_owned()), ..metadata.clone() };
        assert_eq!(missing(&kept, &other, now), BOTH, "the build data has changed");
        let changed = State::new(&release, &metadata, now + SignedDuration::from_secs(1));
        let kept = Kept::new(home.path(), &release, &changed, "4.19.1.yaml");
        assert_eq!(missing(&kept, &metadata, now), BOTH, "the StateBox has changed");
    }

    #[test]
    fn only_plans_that_would_act_are_kept_and_one_that_does_not_any_more_is_forgotten() {
        let (home, now) = (tempfile::tempdir().unwrap(), at("2026-07-06T12:00:00Z"));
        let (release, metadata) = ("4.19.1".parse().unwrap(), Metadata::default());
        let state = State::new(&release, &metadata, now);
        let kept = Kept::new(home.path(), &release, &state, "4.19.1.yaml");
        let steps = || DropsView::Steps(vec!["remove OCPBUGS-1".to_owned()]);
        let closed =
            || ApprovalGates::Closed { why: "1 bug is open".to_owned(), next: Vec::new(), about: Vec::new() };
        for (drops, gates, expected) in [
            (steps(), closed(), vec![FactKey::ApprovalGates]),
            (DropsView::Steps(Vec::new()), ApprovalGates::Open, vec![FactKey::Drops]),
            (DropsView::Waits, ApprovalGates::Open, vec![FactKey::Drops]),
            (DropsView::Refused("a draft".to_owned()), closed(), BOTH.to_vec()),
        ] {
            let facts = read(drops, gates, metadata.clone(), now);
            kept.keep(&BTreeSet::from(BOTH), &facts);
            assert_eq!(missing(&kept, &metadata, now), expected);
        }
        // What is read of one leaves the other one as it is.
        let facts = read(steps(), ApprovalGates::Open, metadata.clone(), now);
        kept.keep(&BTreeSet::from([FactKey::Drops]), &facts);
        assert_eq!(missing(&kept, &metadata, now), [FactKey::ApprovalGates]);
        std::fs::write(&kept.path, "{").unwrap();
        assert_eq!(missing(&kept, &metadata, now), BOTH, "damaged");
    }
}
