//! Where state is kept, by the environment.

use std::path::{Path, PathBuf};

use super::environment::{self, Environment, Variable};
use super::error::ConfigError;
use super::settings::{bad, not};
use crate::ids::Repository;

/// Where StateBox files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// A branch of a GitHub repository.
    Github,
    /// A directory.
    Local(PathBuf),
}

/// The settings of the StateBox and of the test records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// Where StateBox files are kept.
    pub location: StateLocation,
    /// The GitHub repository.
    pub repository: Repository,
    /// The branch of the StateBox files.
    pub branch: String,
    /// The branch of the test records.
    pub record_branch: String,
}

impl StateSettings {
    /// Reads them from the environment.
    pub(super) fn of(environment: &Environment) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "`github` or `local:<directory>` (for example local:/srv/statebox)";
        let location = match environment.get(&environment::OAR_STATE) {
            None | Some("github") => StateLocation::Github,
            Some(text) => match text.strip_prefix("local:") {
                Some(directory) if !directory.is_empty() => {
                    let working_directory = environment.working_directory().unwrap_or(Path::new(""));
                    StateLocation::Local(working_directory.join(directory))
                }
                _ => return Err(bad(&environment::OAR_STATE, not(text), EXPECTED)),
            },
        };
        let repository = environment.get_or_default(&environment::OAR_STATE_REPO).trim();
        let repository: Repository = repository.parse().map_err(|_| {
            let expected = "an owner and a name (for example openshift/release-tests)";
            bad(&environment::OAR_STATE_REPO, not(repository), expected)
        })?;
        Ok(Self {
            location,
            repository,
            branch: branch(environment, &environment::OAR_STATE_BRANCH)?,
            record_branch: branch(environment, &environment::OAR_RECORD_BRANCH)?,
        })
    }
}

/// A branch name, checked by those of git's rules that make it safe in a URL.
fn branch(environment: &Environment, variable: &'static Variable) -> Result<String, ConfigError> {
    let name = environment.get_or_default(variable).trim();
    let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//");
    if good {
        Ok(name.to_owned())
    } else {
        Err(bad(variable, not(name), "the name of a branch (for example z-stream)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn the_state_settings_have_defaults_and_are_checked() {
        let defaults = StateSettings::of(&environment(&[])).unwrap();
        assert_eq!(defaults.location, StateLocation::Github);
        assert_eq!((defaults.branch.as_str(), defaults.record_branch.as_str()), ("z-stream", "record"));
        let local = environment(&[("OAR_STATE", "local:box")]).with_working_directory("/srv");
        assert_eq!(StateSettings::of(&local).unwrap().location, StateLocation::Local("/srv/box".into()));
        for (name, value) in [
            ("OAR_STATE", "local:"),
            ("OAR_STATE", "gitlab"),
            ("OAR_STATE_REPO", "release-tests"),
            ("OAR_STATE_REPO", "a/b/c"),
            ("OAR_STATE_REPO", "a/.."),
            ("OAR_STATE_BRANCH", "a..b"),
            ("OAR_STATE_BRANCH", "a b"),
            ("OAR_RECORD_BRANCH", "-x"),
        ] {
            let error = StateSettings::of(&environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("for example"), "{error}");
        }
    }
}
