//! The StateBox: one YAML file per release that holds what was done, and the only way to change it.
//!
//! [`StateBox`] is the handle of one release's file: it loads a [`State`] and changes it in transactions, against
//! any [`Store`](crate::store::Store). The file's tree is the truth, so keys that this program does not know survive; [`yaml`]
//! writes the dialect that PyYAML reads and writes, because the Python reference works on the same files.

mod asked;
mod bugs;
pub mod check;
mod claims;
mod consents;
mod copy;
mod decisions;
mod diagnostic;
mod drops;
mod error;
mod freezes;
mod handle;
mod issues;
mod jobs;
mod judged;
mod ledger;
mod metadata;
mod names;
mod outbox;
mod runs;
mod state;
mod timeline;

mod usual;
mod validate;
mod views;
mod waits;

#[cfg(test)]
mod tests;

pub use asked::{Asked, Claimed, SUMMARY, Teller, Telling, Thread};
pub use bugs::BugList;
pub use claims::{ClaimView, TaskClaim};
pub use consents::{CONSENT_LIFETIME, CONSENT_LIMIT, ConsentStanding, ConsentView, NewConsent, Withdrawal};
pub use decisions::{
    DECISION_LIMIT, DecisionKind, DecisionStanding, DecisionView, NewDecision, REASON_LIMIT, Subject,
};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use drops::DropIntent;
pub use error::StateError;
pub use freezes::{FreezeError, FreezeFile, Freezes};
pub use handle::{Created, StateBox, StateBoxError, Updated};
pub use issues::{ISSUE_LIMIT, IssueFilter, NewIssue};
pub use jobs::{CONSISTENCY_TRIGGERED, Job, JobIntent, JobSystem, STAGE_TRIGGERED};
pub use judged::Judged;
pub use ledger::{ANOTHER_PROGRAM, Loss};
pub use metadata::{MetadataChange, MetadataRecord};
pub use names::{NodeName, ReasonClass, RunOutcome, TaskName, TaskStatus, UnknownName, Verdict};
pub use outbox::KEPT_LIMIT;
pub use runs::{HISTORY_LIMIT, ManualStatus, RESULT_LIMIT, RunEnd, RunStart, SET_BY_HAND};
pub use state::State;
pub use timeline::{Piece, Share, Stretch, Timeline, Total};
pub use usual::usual_durations;
pub use views::{
    IssueView, Metadata, Notification, NotificationState, OpenNotification, RunView, TaskView, Wait,
    WaitHolder, Waiver,
};
pub use waits::{NewWait, WaitCheck, WaitClaim};

pub use crate::store::Change;
pub use crate::yaml;
