//! The staging push in words, and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Held, StagedAdvisory, StagingStatus};
use crate::clients::errata::AdvisoryId;

/// How the push stands, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct StagingDone {
    /// How many of the release's advisories are on staging.
    pub complete: usize,
    /// How many there are.
    pub total: usize,
    /// Each of them, and what blocks them.
    pub advisories: Vec<AdvisoryRow>,
    /// What stays untouched, and why.
    pub notes: Vec<String>,
}

/// One advisory, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AdvisoryRow {
    /// Its number.
    pub id: u64,
    /// Its kind in the build data; absent for one that only blocks another one.
    pub impetus: Option<String>,
    /// Its state; absent when it could not be read.
    pub state: Option<String>,
    /// How it stands: `complete`, `running`, `to_push`, `waiting`, `blocked`, `refused`, `unknown`, `failed`.
    pub standing: &'static str,
    /// The same in words.
    pub detail: String,
    /// The status of the job that decides for each staging target.
    pub targets: BTreeMap<String, String>,
    /// Its page.
    pub link: String,
}

impl StagedAdvisory {
    /// How it stands, in words that follow its name.
    pub fn words(&self) -> String {
        match &self.standing {
            StagingStatus::Complete | StagingStatus::Running | StagingStatus::Push => self.push.to_string(),
            StagingStatus::Unknown => format!(
                "{}: this program does not know that status, so look at {}",
                self.push,
                self.id.link()
            ),
            StagingStatus::Waits(on) => format!("follows when {} is on staging", list(on, ", ")),
            StagingStatus::Held(Held::By(id)) => {
                format!("is blocked by advisory {id}, which cannot be pushed")
            }
            StagingStatus::Held(Held::Unknown { by, .. }) => {
                format!("is blocked by advisory {by}, and whether that one can be pushed is not known")
            }
            StagingStatus::Held(Held::Cycle(circle)) => {
                format!("blocks itself ({}): correct the blocking advisories", list(circle, " -> "))
            }
            StagingStatus::Refused(why) | StagingStatus::Failed { why, .. } => why.clone(),
        }
    }

    pub(super) fn row(&self) -> AdvisoryRow {
        let targets = self.push.targets();
        AdvisoryRow {
            id: self.id.number(),
            impetus: self.impetus.clone(),
            state: self.state.as_ref().map(ToString::to_string),
            standing: self.standing.name(),
            detail: self.words(),
            targets: targets.map(|push| (push.target, push.status.to_string())).collect(),
            link: self.id.link(),
        }
    }
}

fn list(ids: &[AdvisoryId], between: &str) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}
