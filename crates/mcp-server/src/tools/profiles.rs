//! Which tools a caller is shown: too many make models worse.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::{nearest_tool, shown, tool};

/// What somebody needs every day: where the releases stand, why one is stuck, and the next step.
pub(super) const DAILY: [&str; 15] = [
    "discover_active_releases",
    "oar_get_release_status",
    "oar_is_release_shipped",
    "oar_get_issues",
    "get_run",
    "oar_take_ownership",
    "oar_update_bug_list",
    "oar_check_greenwave_cvp_tests",
    "oar_check_cve_tracker_bug",
    "oar_push_to_cdn_staging",
    "oar_image_consistency_check",
    "oar_stage_testing",
    "oar_image_signed_check",
    "oar_drop_bugs",
    "oar_change_advisory_status",
];

/// What takes a release on with the engine: the plan, a pass, what waits for people, and issues. None of them does what
/// asks a person.
pub(super) const ENGINE: [&str; 14] = [
    "releases_overview",
    "release_plan",
    "release_advance",
    "release_decide",
    "release_waive",
    "release_hold",
    "release_consent_plan",
    "release_timeline",
    "doctor",
    "oar_get_release_status",
    "oar_get_issues",
    "oar_add_issue",
    "oar_resolve_issue",
    "get_run",
];

/// Which tools a caller is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Every tool.
    Reference,
    /// What is needed every day.
    Daily,
    /// What takes a release on with the engine.
    Engine,
    /// These, and `get_run`, without which none of them can be followed.
    Only(BTreeSet<String>),
}

impl Profile {
    /// Whether it has the tool of this name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Reference => true,
            Self::Daily => DAILY.contains(&name),
            Self::Engine => ENGINE.contains(&name),
            Self::Only(names) => name == "get_run" || names.contains(name),
        }
    }
}

/// A profile that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is neither a profile nor a tool{near}; expected `reference`, `daily`, `engine`, or names of tools with commas"
)]
pub struct UnknownProfile {
    name: String,
    near: String,
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "reference" => return Ok(Self::Reference),
            "daily" => return Ok(Self::Daily),
            "engine" => return Ok(Self::Engine),
            _ => {}
        }
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        match names.iter().find(|name| tool(name).is_none()) {
            None => Ok(Self::Only(names)),
            Some(unknown) => {
                let near = nearest_tool(unknown).map(|near| format!(" (did you mean `{near}`?)"));
                Err(UnknownProfile { name: shown(unknown), near: near.unwrap_or_default() })
            }
        }
    }
}
