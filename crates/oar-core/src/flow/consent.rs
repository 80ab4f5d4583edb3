//! The consent that a critical command asks for between its plan and its first effect.

use std::fmt;

use async_trait::async_trait;

use crate::flow::outcome::{PlanSummary, Refusal};
use crate::version::ReleaseVersion;

/// What consent is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The command that asks.
    pub command: &'a str,
    /// The release that is changed.
    pub release: &'a ReleaseVersion,
    /// What would be done. It has at least one step.
    pub plan: &'a PlanSummary,
}

/// Shows a plan to the user who is responsible for the command, and asks for consent.
///
/// The runner asks only when there is something to do, and before it writes anything. A refusal ends the run: nothing
/// is sent, and the state stays as it is.
#[async_trait]
pub trait Consent: fmt::Debug + Send + Sync {
    /// Whether it was given beforehand, so that the plan is not shown.
    fn is_given(&self) -> bool {
        false
    }

    /// Whether there is somebody who can be asked now.
    fn can_ask(&self) -> bool {
        true
    }

    /// Returns when the plan may be applied.
    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal>;

    /// The same for something that consent in advance (`--yes`) does not cover.
    async fn ask_anew(&self, question: Question<'_>) -> Result<(), Refusal> {
        self.ask(question).await
    }
}
