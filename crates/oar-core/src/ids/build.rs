//! The name of a build of OpenShift.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::version::{ParseVersionError, YStream};

/// The longest name of a build, in characters.
const LONGEST_BUILD: usize = 128;

/// The kind of a build. Each kind has its own streams, registry sections and latest files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BuildKind {
    /// Built every night or more often; its name contains `nightly`.
    Nightly,
    /// Everything else: releases, candidates (`rc`) and early candidates (`ec`).
    Stable,
}

impl BuildKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Nightly, Self::Stable];

    /// The word in file names and the key in registries.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Nightly => "nightly",
            Self::Stable => "stable",
        }
    }
}

impl fmt::Display for BuildKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

impl Serialize for BuildKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// The name of a build: `4.20.27`, `4.22.0-rc.1`, `5.0.0-ec.3`, `4.20.0-0.nightly-2026-07-01-161907`,
/// `4.16.0-0.nightly-arm64-2024-11-23-145620` (spec 04 §4.2).
///
/// The order is that of semantic versions, so nightlies of one stream are ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildName(semver::Version);

impl BuildName {
    /// The build's minor version.
    pub fn y_stream(&self) -> YStream {
        YStream::new(self.0.major, self.0.minor)
    }

    /// Nightly or not.
    pub fn kind(&self) -> BuildKind {
        if self.0.pre.contains("nightly") { BuildKind::Nightly } else { BuildKind::Stable }
    }

    /// Whether this is a nightly.
    pub fn is_nightly(&self) -> bool {
        self.kind() == BuildKind::Nightly
    }

    /// Whether the build is newer than `recorded`: of the same minor version and kind, and greater (spec 04
    /// §7.6.1). The latest build of a stream may be an older one for some hours (§10 D2); that one is not
    /// new.
    pub fn is_newer_than(&self, recorded: &Self) -> bool {
        self.y_stream() == recorded.y_stream() && self.kind() == recorded.kind() && self > recorded
    }

    /// The date in the name of a nightly, `YYYY-MM-DD`.
    pub fn nightly_date(&self) -> Option<&str> {
        let pre = self.0.pre.as_str();
        let start = pre.len().checked_sub("YYYY-MM-DD-HHMMSS".len()).filter(|_| self.is_nightly())?;
        let date = pre.get(start..start + "YYYY-MM-DD".len())?;
        let fits = date.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        fits.then_some(date)
    }

    /// When a nightly was built, by its name.
    pub fn nightly_time(&self) -> Option<Timestamp> {
        let date = self.nightly_date()?;
        let time = self.0.pre.as_str().rsplit_once('-')?.1;
        let parts = (time.get(..2)?, time.get(2..4)?, time.get(4..6)?);
        format!("{date}T{}:{}:{}Z", parts.0, parts.1, parts.2).parse().ok()
    }
}

impl FromStr for BuildName {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        semver::Version::parse(input)
            .ok()
            .filter(|version| version.build.is_empty() && input.len() <= LONGEST_BUILD)
            .map(Self)
            .ok_or_else(|| {
                ParseVersionError::new(
                    input,
                    "the name of a build",
                    "4.20.27, 5.0.0-ec.3 or 4.20.0-0.nightly-2026-07-01-161907",
                )
            })
    }
}

impl fmt::Display for BuildName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl PartialOrd for BuildName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BuildName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Serialize for BuildName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

crate::schema::read_from_text!(BuildName);
crate::schema::text_schema!(
    BuildName,
    "BuildName",
    "The whole name of a build",
    ["4.20.27", "5.0.0-ec.3", "4.20.0-0.nightly-2026-07-01-161907"]
);
crate::schema::text_schema!(BuildKind, "BuildKind", "A kind of builds", one of BuildKind::ALL.map(BuildKind::text));
