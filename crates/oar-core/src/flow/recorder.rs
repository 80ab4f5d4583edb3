//! What a run has done so far.

use std::sync::{Mutex, PoisonError};

use super::outcome::Step;

/// The effects of a run, each from the moment when it was made: whatever ends the run (a signal, a time limit, an error,
/// a panic) finds here what is to be told and recorded.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Step>>);

impl Recorder {
    /// An effect was made.
    pub fn did(&self, step: Step) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    /// A second look shows that `step` did not happen, whatever was answered.
    pub fn take_back(&self, step: &Step) {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = done.iter().rposition(|one| one == step) {
            done.remove(last);
        }
    }

    /// Whether nothing was done yet.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What was done, in the order of `planned`: effects at the same time end in any order. What the plan did not know
    /// of follows.
    pub fn done(&self, planned: &[Step]) -> Vec<Step> {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let place = |step: &Step| planned.iter().position(|one| one == step).unwrap_or(usize::MAX);
        done.sort_by_key(place);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_stand_in_the_order_of_the_plan_and_unplanned_ones_follow() {
        let step = |name: &str| Step::new("do", name);
        let recorder = Recorder::default();
        assert!(recorder.is_empty());
        for name in ["unplanned", "second", "first", "more"] {
            recorder.did(step(name));
        }
        let expected: Vec<Step> = ["first", "second", "unplanned", "more"].map(step).into();
        assert_eq!(recorder.done(&[step("first"), step("never"), step("second")]), expected);
        recorder.take_back(&step("more"));
        assert_eq!(recorder.done(&[]).last(), Some(&step("first")));
    }
}
