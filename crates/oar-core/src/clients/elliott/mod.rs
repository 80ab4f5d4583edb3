//! elliott, ART's command line that knows which CVE trackers a release needs (spec 02 §7, spec 03 §10).
//!
//! elliott is a separate program. [`FindTrackers`] is the only function that is used; [`ElliottProcess`]
//! implements it by running the program. Its arguments are `interop-exact`; it prints the answer to standard
//! output and its log to standard error.

mod log;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

pub use log::OmittedTrackers;
pub use process::ElliottProcess;

use crate::clients::jira::IssueKey;
use crate::error::{Classified, ErrorClass};
use crate::version::ReleaseVersion;

/// Where elliott reads ART's build data.
const DATA_PATH: &str = "https://github.com/openshift-eng/ocp-build-data.git";

/// The build system whose builds elliott examines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuildSystem {
    /// Brew, which builds RPMs, RHCOS and, for old releases, images.
    Brew,
    /// Konflux, which builds the images of newer releases.
    Konflux,
}

impl BuildSystem {
    /// The name as elliott accepts it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brew => "brew",
            Self::Konflux => "konflux",
        }
    }
}

impl std::fmt::Display for BuildSystem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The CVE trackers that a release needs, by kind of advisory: `rpm`, `image`, `extras`, `metadata`, `microshift`,
/// `rhcos`.
pub type Trackers = BTreeMap<String, BTreeSet<IssueKey>>;

/// What elliott's answer does not cover, shown with the result (spec 02 §7).
pub const LIMITS: &str = "elliott names trackers in status VERIFIED only, none that any advisory or another open \
    shipment has, and no image trackers of components that ART does not manage";

/// elliott's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The trackers that the release needs.
    pub trackers: Trackers,
    /// Trackers that it leaves out, and why. elliott reports them in its log only.
    pub left_out: Vec<OmittedTrackers>,
}

/// Finds the CVE trackers that a release needs.
#[async_trait]
pub trait FindTrackers: Send + Sync {
    /// The trackers of the release's builds in `system`.
    async fn find(&self, release: &ReleaseVersion, system: BuildSystem) -> Result<Answer, ElliottError>;
}

/// The arguments with which elliott is called, after the program's name (`interop-exact`).
pub fn arguments(release: &ReleaseVersion, system: BuildSystem) -> Vec<String> {
    let group = format!("openshift-{}", release.y_stream());
    let assembly = release.assembly();
    let common = [
        "--data-path",
        DATA_PATH,
        "--group",
        &group,
        "--assembly",
        &assembly,
        "--build-system",
        system.name(),
    ];
    let own: &[&str] = match system {
        BuildSystem::Brew => &["find-bugs", "--cve-only", "--output", "json", "--permissive"],
        BuildSystem::Konflux => &["find-bugs", "--cve-only", "-o", "json"],
    };
    common.iter().chain(own).map(|argument| (*argument).to_owned()).collect()
}

/// The trackers in elliott's standard output: an object of kind to list of Jira keys, and nothing else.
pub(crate) fn parse(system: BuildSystem, output: &[u8]) -> Result<Trackers, ElliottError> {
    let malformed = |detail: String| ElliottError::Malformed { system, detail };
    if output.trim_ascii().is_empty() {
        return Err(ElliottError::Empty { system });
    }
    let answer: Value = serde_json::from_slice(output).map_err(|error| malformed(error.to_string()))?;
    let kinds = answer.as_object().ok_or_else(|| malformed("it is not an object".to_owned()))?;
    let mut trackers = Trackers::new();
    for (kind, keys) in kinds {
        let list = keys.as_array().ok_or_else(|| malformed(format!("`{kind}` is not a list")))?;
        let mut found = BTreeSet::new();
        for key in list {
            let key: IssueKey = key
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| malformed(format!("`{kind}` holds {key}, which is not a Jira key")))?;
            found.insert(key);
        }
        trackers.insert(kind.clone(), found);
    }
    Ok(trackers)
}

/// Why elliott gave no answer. None of these is ever treated as "no trackers".
#[derive(Debug, thiserror::Error)]
pub enum ElliottError {
    /// There is no Jira account; elliott would answer with empty lists.
    #[error("elliott needs the address of a Jira account, and neither JIRA_EMAIL nor JIRA_USERNAME is set")]
    NoAccount,
    /// The program does not exist.
    #[error("elliott is not installed: there is no program `{}`", .program.display())]
    NotInstalled {
        /// The program.
        program: PathBuf,
    },
    /// The program cannot be started.
    #[error("elliott cannot be started (`{}`)", .program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It exceeded the time limit and was stopped.
    #[error("elliott did not end within {} s for build system {system} and was stopped", .limit.as_secs())]
    TimedOut {
        /// The build system.
        system: BuildSystem,
        /// The limit.
        limit: Duration,
    },
    /// It failed.
    #[error("elliott failed for build system {system} ({status}): {words}")]
    Failed {
        /// The build system.
        system: BuildSystem,
        /// How it ended: `exit status: 1`.
        status: String,
        /// The end of its log, redacted.
        words: String,
    },
    /// It stopped because of trackers that it cannot assign: their components have no build in the release,
    /// their title names another version, or they are not trackers.
    #[error("elliott refuses for build system {system}: {}", words(.omitted))]
    Refused {
        /// The build system.
        system: BuildSystem,
        /// The trackers and the reasons; at least one.
        omitted: Vec<OmittedTrackers>,
    },
    /// It ended with success and printed nothing, which happens when it could not sign in.
    #[error(
        "elliott printed nothing for build system {system}, which is not the same as no missing trackers"
    )]
    Empty {
        /// The build system.
        system: BuildSystem,
    },
    /// It printed more than the limit.
    #[error("elliott printed more than {limit} bytes for build system {system}")]
    TooLarge {
        /// The build system.
        system: BuildSystem,
        /// The limit.
        limit: usize,
    },
    /// It printed something other than an object of lists.
    #[error("elliott's answer for build system {system} is not an object of lists of Jira keys: {detail}")]
    Malformed {
        /// The build system.
        system: BuildSystem,
        /// What is wrong.
        detail: String,
    },
    /// It did not say which version it is.
    #[error("elliott does not tell its version: {words}")]
    NoVersion {
        /// Why, redacted.
        words: String,
    },
    /// Its output could not be read.
    #[error("elliott's output for build system {system} cannot be read")]
    Unreadable {
        /// The build system.
        system: BuildSystem,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

fn words(omitted: &[OmittedTrackers]) -> String {
    omitted.iter().map(|complaint| complaint.words.as_str()).collect::<Vec<_>>().join("; ")
}

impl Classified for ElliottError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { .. } => ErrorClass::Failed,
            Self::NoAccount | Self::NotInstalled { .. } | Self::NotStarted { .. } => {
                ErrorClass::Configuration
            }
            _ => ErrorClass::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoAccount => "Set JIRA_USERNAME to the address that JIRA_TOKEN belongs to.".to_owned(),
            Self::NotInstalled { .. } | Self::NotStarted { .. } => {
                "Install elliott (https://github.com/openshift-eng/art-tools), or name it with OAR_ELLIOTT."
                    .to_owned()
            }
            Self::TimedOut { .. } => {
                "Run the command again; OAR_ELLIOTT_TIMEOUT allows it more time (in seconds).".to_owned()
            }
            Self::NoVersion { .. } => "Run `elliott --version` by hand, and install elliott again.".to_owned(),
            Self::Refused { .. } => {
                "Ask ART to attach the builds, to correct the trackers, or to include or exclude them in the assembly, \
                 then run the command again."
                    .to_owned()
            }
            Self::Empty { .. } => {
                "Check that JIRA_USERNAME and JIRA_TOKEN are good: elliott says nothing when Jira refuses it."
                    .to_owned()
            }
            _ => "Run the command again. If it fails again, run elliott by hand and tell ART.".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_exactly_those_of_the_reference() {
        let release: ReleaseVersion = "4.14.60".parse().unwrap();
        assert_eq!(
            arguments(&release, BuildSystem::Brew).join(" "),
            "--data-path https://github.com/openshift-eng/ocp-build-data.git --group openshift-4.14 --assembly \
             4.14.60 --build-system brew find-bugs --cve-only --output json --permissive"
        );
        let candidate: ReleaseVersion = "4.22.0-rc.3".parse().unwrap();
        assert_eq!(
            arguments(&candidate, BuildSystem::Konflux).join(" "),
            "--data-path https://github.com/openshift-eng/ocp-build-data.git --group openshift-4.22 --assembly \
             rc.3 --build-system konflux find-bugs --cve-only -o json"
        );
    }

    #[test]
    fn an_answer_is_an_object_of_lists_of_keys() {
        let trackers = parse(
            BuildSystem::Brew,
            br#"{"rpm": ["OCPBUGS-2", "OCPBUGS-1", "OCPBUGS-2"], "image": [], "future": ["ART-1"]}"#,
        )
        .unwrap();
        let counts: Vec<(&str, usize)> =
            trackers.iter().map(|(kind, keys)| (kind.as_str(), keys.len())).collect();
        assert_eq!(counts, [("future", 1), ("image", 0), ("rpm", 2)]);
    }

    #[test]
    fn silence_is_no_answer_and_other_shapes_are_refused() {
        for silence in ["", " \n"] {
            let error = parse(BuildSystem::Konflux, silence.as_bytes()).unwrap_err();
            assert!(matches!(error, ElliottError::Empty { .. }), "{error}");
            assert_eq!(error.class(), ErrorClass::Unavailable);
        }
        for (answer, words) in [
            ("[]", "not an object"),
            (r#"{"rpm": null}"#, "`rpm` is not a list"),
            (r#"{"rpm": [1]}"#, "not a Jira key"),
            (r#"{"rpm": ["ocpbugs 1"]}"#, "not a Jira key"),
            (r#"{"rpm": []} trailing"#, "trailing"),
            ("INFO all good", "expected"),
        ] {
            let error = parse(BuildSystem::Brew, answer.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(words), "{answer}: {error}");
        }
    }
}
