//! How each advisory stands, from what was read of it and of what blocks it. Pure.

use std::collections::BTreeMap;

use super::Known;
use crate::clients::errata::{AdvisoryId, AdvisoryState, Verdict};
use crate::error::{Classified, ErrorClass, ServiceError};

/// How one advisory stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StagingStatus {
    /// Every staging target is complete.
    Complete,
    /// A push is under way.
    Running,
    /// A target has a status that this program does not know, or stays without a proof: a person has to look.
    Unknown,
    /// It is to be pushed now.
    Push,
    /// It is pushed when what blocks it is on staging.
    Waits(Vec<AdvisoryId>),
    /// It cannot be pushed, because what blocks it cannot.
    Held(Held),
    /// It must not be pushed as it is; why.
    Refused(String),
    /// It could not be read or pushed; why.
    Failed {
        /// The class of the failure.
        class: ErrorClass,
        /// The failure in words.
        why: String,
        /// The next step.
        hint: Option<String>,
    },
}

/// Why an advisory cannot be pushed that is itself in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// An advisory that blocks it cannot be pushed.
    By(AdvisoryId),
    /// It is unknown whether the advisory that blocks it can be pushed, because it could not be read.
    Unknown {
        /// The advisory that blocks it.
        by: AdvisoryId,
        /// The class of the failure to read it.
        class: ErrorClass,
    },
    /// It blocks itself through these advisories, in order.
    Cycle(Vec<AdvisoryId>),
}

impl StagingStatus {
    /// The class of the trouble; `None` when it is done, under way, or about to be.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Complete | Self::Running | Self::Push | Self::Waits(_) => None,
            Self::Unknown => Some(ErrorClass::Failed),
            Self::Held(Held::Unknown { class, .. }) | Self::Failed { class, .. } => Some(*class),
            Self::Held(_) | Self::Refused(_) => Some(ErrorClass::Blocked),
        }
    }

    /// The hint, if the problem has its own.
    pub(super) fn hint(&self) -> Option<&str> {
        match self {
            Self::Failed { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    pub(super) fn failed(error: &ServiceError) -> Self {
        Self::Failed { class: error.class(), why: error.to_string(), hint: error.hint() }
    }

    /// The word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Push => "to_push",
            Self::Waits(_) => "waiting",
            Self::Held(_) => "blocked",
            Self::Refused(_) => "refused",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Decides each advisory once.
pub(super) struct StagingStatuses<'a> {
    known: &'a BTreeMap<AdvisoryId, Result<Known, ServiceError>>,
    decided: BTreeMap<AdvisoryId, StagingStatus>,
}

impl<'a> StagingStatuses<'a> {
    pub(super) fn new(known: &'a BTreeMap<AdvisoryId, Result<Known, ServiceError>>) -> Self {
        Self { known, decided: BTreeMap::new() }
    }

    /// How the advisory stands.
    pub(super) fn of(&mut self, id: AdvisoryId) -> StagingStatus {
        self.on_path(id, &mut Vec::new())
    }

    /// `path` holds the advisories that wait for this one, so that a circle is seen. It is no longer than the number of
    /// advisories, which is bounded.
    fn on_path(&mut self, id: AdvisoryId, path: &mut Vec<AdvisoryId>) -> StagingStatus {
        if let Some(decided) = self.decided.get(&id) {
            return decided.clone();
        }
        if let Some(start) = path.iter().position(|waiting| *waiting == id) {
            // Decided when the walk is back at the circle's first advisory.
            let circle = path.get(start..).unwrap_or_default().iter().copied().chain([id]).collect();
            return StagingStatus::Held(Held::Cycle(circle));
        }
        let standing = match self.known.get(&id) {
            None => StagingStatus::Refused("was not read".to_owned()),
            Some(Err(error)) => StagingStatus::failed(error),
            Some(Ok(known)) => match (known.state.clone(), known.push.verdict()) {
                (AdvisoryState::NewFiles, _) => StagingStatus::Refused(
                    "is in NEW_FILES: it can be pushed when ART has moved it to QE".to_owned(),
                ),
                (_, Verdict::Complete)
                // Whether the staging push was of these builds does not matter any more.
                | (AdvisoryState::InPush | AdvisoryState::ShippedLive, Verdict::Unproven) => StagingStatus::Complete,
                (_, Verdict::Running) => StagingStatus::Running,
                (_, Verdict::Unknown) => StagingStatus::Unknown,
                (
                    AdvisoryState::Qe
                    | AdvisoryState::RelPrep
                    | AdvisoryState::PushReady
                    | AdvisoryState::ShippedLive,
                    Verdict::NeverPushed | Verdict::Failed | Verdict::Unproven,
                ) => {
                    path.push(id);
                    let standing = self.behind(&known.blocking, path);
                    path.pop();
                    standing
                }
                (state, _) => StagingStatus::Refused(format!("is {state}, which takes no push to staging")),
            },
        };
        self.decided.insert(id, standing.clone());
        standing
    }

    /// How an advisory stands that needs a push and comes after `blocking`.
    fn behind(&mut self, blocking: &[AdvisoryId], path: &mut Vec<AdvisoryId>) -> StagingStatus {
        let mut waits = Vec::new();
        for id in blocking {
            if self.known.get(id).is_some_and(|read| read.as_ref().is_ok_and(Known::needs_no_push)) {
                continue;
            }
            match self.on_path(*id, path) {
                StagingStatus::Complete => {}
                StagingStatus::Running | StagingStatus::Push | StagingStatus::Waits(_) => waits.push(*id),
                StagingStatus::Held(Held::Cycle(circle))
                    if path.last().is_some_and(|own| circle.contains(own)) =>
                {
                    return StagingStatus::Held(Held::Cycle(circle));
                }
                standing => {
                    // A failed read is no fact about the advisories that wait for it.
                    let unseen = standing
                        .class()
                        .filter(|class| matches!(class, ErrorClass::Unavailable | ErrorClass::Configuration));
                    return StagingStatus::Held(
                        unseen.map_or(Held::By(*id), |class| Held::Unknown { by: *id, class }),
                    );
                }
            }
        }
        if waits.is_empty() { StagingStatus::Push } else { StagingStatus::Waits(waits) }
    }
}
