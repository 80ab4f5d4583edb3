//! The architectures that releases are built for.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::ParseVersionError;

/// An architecture, as options, record files and the hosts of release controllers name it (spec 04 §1.3, §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// Intel and AMD, 64 bit.
    Amd64,
    /// Arm, 64 bit.
    Arm64,
    /// The images of all architectures behind one name.
    Multi,
    /// Power, little endian.
    Ppc64le,
    /// IBM Z.
    S390x,
}

impl Arch {
    /// Every architecture, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Amd64, Self::Arm64, Self::Multi, Self::Ppc64le, Self::S390x];

    /// The name in options, file names and hosts.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Multi => "multi",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
        }
    }

    /// The name at the end of the tag of a release image: `x86_64` for amd64.
    pub const fn tag_suffix(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
            Self::Multi | Self::Ppc64le | Self::S390x => self.text(),
        }
    }

    /// What the names of release streams and namespaces carry at their end: nothing for amd64, `-arm64` for arm64.
    pub const fn stream_suffix(self) -> &'static str {
        match self {
            Self::Amd64 => "",
            Self::Arm64 => "-arm64",
            Self::Multi => "-multi",
            Self::Ppc64le => "-ppc64le",
            Self::S390x => "-s390x",
        }
    }
}

impl FromStr for Arch {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|arch| arch.text() == input).ok_or_else(|| {
            ParseVersionError::new(
                input,
                "an architecture: one of amd64, arm64, multi, ppc64le, s390x",
                "amd64",
            )
        })
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

impl Serialize for Arch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

crate::schema::read_from_text!(Arch);
crate::schema::text_schema!(Arch, "Arch", "An architecture", one of Arch::ALL.map(Arch::text));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_names_are_read_and_others_refused() {
        for arch in Arch::ALL {
            assert_eq!(arch.text().parse(), Ok(arch));
        }
        for bad in ["", "x86_64", "aarch64", "AMD64", "amd64 "] {
            let error = bad.parse::<Arch>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("s390x"), "{error}");
        }
    }

    #[test]
    fn tags_and_streams_have_their_own_spelling() {
        let spellings: Vec<_> =
            Arch::ALL.iter().map(|arch| (arch.tag_suffix(), arch.stream_suffix())).collect();
        assert_eq!(
            spellings,
            [
                ("x86_64", ""),
                ("aarch64", "-arm64"),
                ("multi", "-multi"),
                ("ppc64le", "-ppc64le"),
                ("s390x", "-s390x")
            ]
        );
    }
}
