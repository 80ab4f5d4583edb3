//! What became of several changes that one run made.

use crate::clients::Effect;
use crate::failures::Failures;
use crate::flow::outcome::{Step, TaskError, TaskOutcome};

/// What was done of a plan and what was not: the result of every composite operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The changes that were made, in their order.
    pub done: Vec<Step>,
    /// What could not be done or read; each keeps its next step, and [`Failures`] says which decides the exit code.
    pub failures: Failures,
}

impl Changes {
    /// Takes what became of `step`; whether the world is as it wants it.
    pub fn take(&mut self, step: Step, outcome: Result<Effect, impl Into<TaskError>>) -> bool {
        match outcome {
            Ok(Effect::Changed) => self.did(step),
            Ok(Effect::AlreadySo) => tracing::info!("{step}: already so"),
            Err(error) => {
                self.fail(error);
                return false;
            }
        }
        true
    }

    /// Notes a change that was made.
    pub fn did(&mut self, step: Step) {
        tracing::info!("{step}");
        self.done.push(step);
    }

    /// Notes what could not be done or read.
    pub fn fail(&mut self, error: impl Into<TaskError>) {
        self.failures.add_logged(error.into().inner());
    }

    /// Adds what became of another part of the work.
    pub fn append(&mut self, other: Self) {
        self.done.extend(other.done);
        self.failures.append(&other.failures);
    }

    /// The outcome of a task that is done when nothing failed.
    pub fn outcome(self) -> TaskOutcome {
        TaskOutcome::pass(self.done).with_failures(&self.failures)
    }
}
