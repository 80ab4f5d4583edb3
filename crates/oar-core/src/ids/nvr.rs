//! Builds of packages.

use std::fmt;
use std::str::FromStr;

/// A build as Koji names it, by name, version and release: `kernel-5.14.0-570.el9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nvr {
    /// The package's name, which may hold hyphens.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
}

impl fmt::Display for Nvr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.name, self.version, self.release)
    }
}

/// A text that names no build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a build's name, version and release, such as rhcos-x86_64-419.96.202605081313-0",
    .0.escape_debug()
)]
pub struct InvalidNvr(String);

impl FromStr for Nvr {
    type Err = InvalidNvr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.rsplitn(3, '-').map(str::to_owned).filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (Some(release), Some(version), Some(name)) => Ok(Self { name, version, release }),
            _ => Err(InvalidNvr(text.chars().take(100).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_has_a_name_a_version_and_a_release() {
        let build: Nvr = "rhcos-x86_64-419.96.202605081313-0".parse().unwrap();
        assert_eq!(
            (build.name.as_str(), build.version.as_str(), build.release.as_str()),
            ("rhcos-x86_64", "419.96.202605081313", "0")
        );
        assert_eq!(build.to_string(), "rhcos-x86_64-419.96.202605081313-0");
        for wrong in ["", "rhcos", "rhcos-1", "-1-2", "rhcos--2", "rhcos-1-"] {
            assert!(wrong.parse::<Nvr>().unwrap_err().to_string().contains("such as rhcos"), "{wrong}");
        }
    }
}
