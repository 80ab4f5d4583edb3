//! Errors of the configuration, worded for the person who must correct it.

use std::path::PathBuf;

use super::build_data::{BuildDataError, InheritedId};
use super::environment::Variable;
use super::jwe::JweError;
use crate::error::{ErrorClass, ServiceError, classified};
use crate::version::{ReleaseVersion, YStream};

/// Configuration that is missing, malformed or refused.
///
/// No message contains a value of the document or of a secret variable, only names, kinds and positions.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An environment variable that the command needs is not set.
    #[error("{name} is not set: it holds {purpose}")]
    MissingVariable {
        /// The variable.
        name: &'static str,
        /// What it contains, and what for.
        purpose: &'static str,
    },
    /// Several environment variables that the command needs are not set.
    #[error("Missing required environment variables: {}", names(.variables))]
    MissingVariables {
        /// The variables.
        variables: Vec<&'static Variable>,
    },
    /// An environment variable has a value that cannot be used.
    #[error("{name}: {problem}; expected {expected}")]
    BadVariable {
        /// The variable.
        name: String,
        /// What is wrong with its value.
        problem: String,
        /// What is expected, with an example.
        expected: String,
    },
    /// Environment variables whose names look like the project's and are unknown.
    #[error("{}", unknown(.variables))]
    UnknownVariables {
        /// Each with the most similar known name.
        variables: Vec<(String, String)>,
    },
    /// A credential that a service manager gives cannot be read.
    #[error("{problem}")]
    Credential {
        /// Which, and why.
        problem: String,
    },
    /// The configuration document was not found.
    #[error("no configuration document: looked for {}", paths(.searched))]
    DocumentNotFound {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The configuration document cannot be opened, and this command works without it.
    #[error("the configuration document was not opened: {why}")]
    DocumentClosed {
        /// Why.
        why: String,
    },
    /// A file of the configuration cannot be read.
    #[error("cannot read {what} {}: {source}", .path.display())]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of the configuration is too large.
    #[error("{what} {} is larger than {limit} bytes", .path.display())]
    TooLarge {
        /// What the file is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The key of the document cannot be used.
    #[error(transparent)]
    DocumentKey(#[from] JweError),
    /// The document cannot be decrypted.
    #[error("{}: {source}", .path.display())]
    Encrypted {
        /// Where the document is.
        path: PathBuf,
        /// What is wrong.
        source: JweError,
    },
    /// The decrypted document is not a JSON object.
    #[error("the configuration document is not a JSON object: {problem}")]
    NotAnObject {
        /// What it is instead, with the position.
        problem: String,
    },
    /// A key of the document that the command needs is absent.
    #[error("the configuration document has no `{key}`: {purpose} (for example {example})")]
    MissingKey {
        /// The key's path.
        key: String,
        /// What it holds.
        purpose: &'static str,
        /// A made-up value.
        example: &'static str,
    },
    /// A key of the document has a value that cannot be used.
    #[error("the configuration document's `{key}` {problem}: {purpose} (for example {example})")]
    BadKey {
        /// The key's path.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// What it holds.
        purpose: &'static str,
        /// A made-up value.
        example: &'static str,
    },
    /// A base URL cannot be used.
    #[error("{setting}: {problem}; expected {expected}")]
    BadEndpoint {
        /// The variable or the document's key.
        setting: String,
        /// What is wrong with it.
        problem: String,
        /// What is expected, with an example.
        expected: String,
    },
    /// The list of supported y-streams cannot be used.
    #[error("{origin}: {problem}")]
    BadVersions {
        /// Which list.
        origin: String,
        /// What is wrong, with the line.
        problem: String,
    },
    /// The y-stream is not supported.
    #[error("{stream} is not a supported y-stream; supported: {supported}")]
    UnsupportedStream {
        /// The y-stream.
        stream: YStream,
        /// What is supported, as text.
        supported: String,
    },
    /// The release's y-stream is not supported.
    #[error("{release} is of {stream}, which is not a supported y-stream; supported: {supported}")]
    Unsupported {
        /// The release.
        release: ReleaseVersion,
        /// Its y-stream.
        stream: YStream,
        /// What is supported, as text.
        supported: String,
    },
    /// There is no build data of the y-stream.
    #[error("the build data of {stream} was not found: {location}")]
    BuildDataNotFound {
        /// The y-stream.
        stream: YStream,
        /// Where it was looked for.
        location: String,
    },
    /// The build data does not name the release.
    #[error(
        "the build data of {release} is not ready: no `{assembly}` under `releases` in {location}{}",
        closest_text(.closest)
    )]
    ReleaseNotReady {
        /// The release.
        release: ReleaseVersion,
        /// Its key in the build data.
        assembly: String,
        /// Where it was looked for.
        location: String,
        /// The keys nearest to it that exist.
        closest: Vec<String>,
    },
    /// The build data gives the release identifiers of another one.
    #[error(
        "the build data of {release} names what belongs to another release: {}; nothing was done with it",
        foreign(.values)
    )]
    InheritedId {
        /// The release.
        release: ReleaseVersion,
        /// The identifiers with their releases.
        values: Vec<InheritedId>,
    },
    /// The build data is wrong.
    #[error("{location}: {source}")]
    BuildData {
        /// Where the build data came from.
        location: String,
        /// What is wrong.
        source: BuildDataError,
    },
    /// The build data could not be downloaded.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

fn names(variables: &[&'static Variable]) -> String {
    variables.iter().map(|variable| variable.name).collect::<Vec<_>>().join(", ")
}

fn unknown(variables: &[(String, String)]) -> String {
    let words = |(name, close): &(String, String)| {
        format!("{name} is not a variable that the programs read; did you mean `{close}`?")
    };
    variables.iter().map(words).collect::<Vec<_>>().join(" ")
}

fn paths(searched: &[PathBuf]) -> String {
    let shown: Vec<_> = searched.iter().map(|path| path.display().to_string()).collect();
    shown.join(", ")
}

fn foreign(values: &[InheritedId]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn closest_text(closest: &[String]) -> String {
    if closest.is_empty() { String::new() } else { format!(" (the closest there: {})", closest.join(", ")) }
}

classified! {
    ConfigError through Service;
    class {
        Self::Unsupported { .. } | Self::UnsupportedStream { .. } => ErrorClass::Usage,
        Self::ReleaseNotReady { .. } | Self::InheritedId { .. } | Self::BuildData { .. } => {
            ErrorClass::Blocked
        }
        _ => ErrorClass::Configuration,
    }
    hint {
        Self::MissingVariable { name, .. } => Some(format!("Set {name} and run the same command again.")),
        Self::MissingVariables { variables } => {
            let holds: Vec<String> = variables
                .iter()
                .map(|variable| format!("{} holds {}", variable.name, variable.purpose))
                .collect();
            Some(format!("Set them and run the same command again: {}.", holds.join("; ")))
        }
        Self::DocumentNotFound { .. } => {
            Some("Set OAR_CONFIG to the path of the encrypted configuration document.".into())
        }
        Self::DocumentClosed { .. } => {
            Some("`oar doctor` says in the lines `key` and `document` what keeps it closed.".into())
        }
        Self::DocumentKey(source) | Self::Encrypted { source, .. } => Some(source.hint().into()),
        Self::NotAnObject { .. } | Self::MissingKey { .. } | Self::BadKey { .. } => {
            Some("Run `oarctl config check` to see every problem, `oarctl config edit` to correct them.".into())
        }
        Self::Unsupported { .. } | Self::UnsupportedStream { .. } => {
            Some("Check the number; a new y-stream is added in config/versions.yaml.".into())
        }
        Self::BuildDataNotFound { .. } => Some(
            "ART publishes one branch `openshift-<X.Y>` of the build data per y-stream; `build_data_url` in the \
             configuration document says where."
                .into(),
        ),
        Self::ReleaseNotReady { .. } => {
            Some("Check the version; if it is right, wait until ART has added it to the build data.".into())
        }
        Self::InheritedId { .. } => Some(
            "ART has yet to give the release its own, or to end the inheritance (`key-`, `key!`): ask them, then run \
             the same command again."
                .into(),
        ),
        Self::BuildData { .. } => Some("ART owns the build data: ask them to correct it.".into()),
        Self::UnknownVariables { .. } => {
            Some("Correct the name or unset it; ignored, it would leave the default, which is production.".into())
        }
        Self::Credential { .. } => Some(
            "Correct the file that the service manager loads (`LoadCredential=`), and restart the service.".into(),
        ),
        Self::BadVariable { name, .. } => Some(format!("Correct {name}, or unset it for the default.")),
        Self::Unreadable { .. } | Self::TooLarge { .. } => {
            Some("Make the file readable, or set OAR_CONFIG to another configuration document.".into())
        }
        Self::BadEndpoint { .. } => Some("Correct the address where it is set.".into()),
        Self::BadVersions { .. } => {
            Some("Write every y-stream in quotes below `y_streams`, for example \"4.20\".".into())
        }
    }
}
