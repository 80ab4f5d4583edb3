//! Repositories on GitHub.

use std::fmt;
use std::str::FromStr;

/// A repository by owner and name: `openshift/release-tests`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    /// The account or organisation that owns the repository.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The repository's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a GitHub repository; expected owner and name, for example openshift/release-tests")]
pub struct InvalidRepository(String);

impl FromStr for Repository {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if word(owner) && word(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(InvalidRepository(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_owner_and_name() {
        let repository: Repository = "openshift/release-tests".parse().unwrap();
        assert_eq!((repository.owner(), repository.name()), ("openshift", "release-tests"));
        assert_eq!(repository.to_string(), "openshift/release-tests");
        for wrong in ["", "openshift", "openshift/", "/x", "a/b/c", "a/..", "a b/c", "https://github.com/a/b"]
        {
            let message = wrong.parse::<Repository>().unwrap_err().to_string();
            assert!(message.contains("openshift/release-tests"), "{wrong}: {message}");
        }
    }
}
