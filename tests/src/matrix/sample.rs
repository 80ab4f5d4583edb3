//! Which cases of a proof a run makes: all of them with `OAR_TEST_DEEP`, otherwise a sample by a seed that is printed.

use std::collections::HashSet;
use std::hash::Hash;

use super::Scenario;

/// The variable that asks for all cases.
const DEEP_VARIABLE: &str = "OAR_TEST_DEEP";
/// The variable that holds the seed of an earlier run.
const SEED_VARIABLE: &str = "OAR_TEST_SEED";

/// A sample holds one case of every kind, and of all cases one in this many at least.
const ONE_IN: usize = 8;

/// Whether every case is to be run.
pub fn is_deep() -> bool {
    std::env::var_os(DEEP_VARIABLE).is_some()
}

/// Numbers that look random, the same ones for the same seed (`SplitMix64`).
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of `OAR_TEST_SEED`, or of a seed of this moment, for the proof of this name. The seed is printed, which is
    /// shown when the test fails.
    #[expect(clippy::print_stdout, reason = "the output of a failed test names the seed to repeat it with")]
    pub fn named(name: &str) -> Self {
        let seed = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
        let seed =
            seed.unwrap_or_else(|| u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(1));
        println!("{name}: {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    /// The numbers of this seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

/// The cases to run: all of them, or a sample in which every kind occurs.
#[expect(clippy::print_stdout, reason = "shown with `--nocapture`, and when the test fails")]
pub(super) fn cases<T, K: Eq + Hash>(scenario: &Scenario, all: Vec<T>, kind: impl Fn(&T) -> K) -> Vec<T> {
    if is_deep() {
        return all;
    }
    let total = all.len();
    let sample = sampled(all, &mut Numbers::named(scenario.name), kind);
    println!("{}: {} of {total} cases; {DEEP_VARIABLE}=1 runs all", scenario.name, sample.len());
    sample
}

fn sampled<T, K: Eq + Hash>(mut all: Vec<T>, numbers: &mut Numbers, kind: impl Fn(&T) -> K) -> Vec<T> {
    let least = all.len().div_ceil(ONE_IN);
    numbers.shuffle(&mut all);
    let mut kinds = HashSet::new();
    let (mut sample, others): (Vec<T>, Vec<T>) = all.into_iter().partition(|case| kinds.insert(kind(case)));
    let missing = least.saturating_sub(sample.len());
    sample.extend(others.into_iter().take(missing));
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u64, count: u32) -> Vec<u32> {
        sampled((0..count).collect(), &mut Numbers(seed), |case| case % 5)
    }

    #[test]
    fn every_kind_is_in_a_sample_and_one_case_in_eight() {
        for seed in 0..50 {
            for count in [1, 5, 7, 40, 41, 400] {
                let sample = sample(seed, count);
                let kinds: HashSet<u32> = sample.iter().map(|case| case % 5).collect();
                let cases: HashSet<&u32> = sample.iter().collect();
                assert_eq!(kinds.len(), count.min(5) as usize, "{count}: {sample:?}");
                assert_eq!(cases.len(), sample.len(), "a case occurs once");
                assert_eq!(sample.len(), (count.min(5)).max(count.div_ceil(8)) as usize, "{count}");
            }
        }
    }

    #[test]
    fn a_seed_repeats_a_sample_and_another_one_takes_other_cases() {
        assert_eq!(sample(7, 400), sample(7, 400));
        assert_ne!(sample(7, 400), sample(8, 400));
        let seen: HashSet<u32> = (0..200).flat_map(|seed| sample(seed, 400)).collect();
        assert_eq!(seen.len(), 400, "over time every case is run");
    }
}
