//! The names of builds and of their files.
//!
//! Names are matched as a whole (spec 04 §5.5, §6): a partial match is not enough, and numbers may have any
//! length.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::version::{Arch, ParseVersionError, YStream};

/// The folder of the repository with registries and record files.
pub const FOLDER: &str = "_releases";
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

/// The name of a registry of test jobs, `ocp-<X.Y>-test-jobs-<arch>.json` (interop-exact, spec 04 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryName {
    /// The minor version.
    pub release: YStream,
    /// The architecture.
    pub arch: Arch,
}

/// The name of the record of a build's tests, `ocp-test-result-<build>-<arch>.json` (interop-exact, spec 04 §6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultName {
    /// The build.
    pub build: BuildName,
    /// The architecture that was tested.
    pub arch: Arch,
}

impl ResultName {
    /// The registry with the jobs that test the build.
    pub fn registry(&self) -> RegistryName {
        RegistryName { release: self.build.y_stream(), arch: self.arch }
    }
}

/// The name of the record of the newest build of a stream, `ocp-latest-<X.Y>-<nightly|stable>-<arch>.json`
/// (interop-exact, spec 04 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LatestName {
    /// The minor version.
    pub release: YStream,
    /// The kind of builds.
    pub kind: BuildKind,
    /// The architecture.
    pub arch: Arch,
}

impl FromStr for RegistryName {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        between(input, "ocp-", ".json")
            .and_then(|middle| middle.split_once("-test-jobs-"))
            .and_then(|(release, arch)| {
                Some(Self { release: release.parse().ok()?, arch: arch.parse().ok()? })
            })
            .ok_or_else(|| {
                ParseVersionError::new(
                    input,
                    "the name of a registry of test jobs",
                    "ocp-4.20-test-jobs-amd64.json",
                )
            })
    }
}

impl FromStr for ResultName {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        // A build's name may contain an architecture too; only the last word is the file's architecture.
        between(input, "ocp-test-result-", ".json")
            .and_then(|middle| middle.rsplit_once('-'))
            .and_then(|(build, arch)| Some(Self { build: build.parse().ok()?, arch: arch.parse().ok()? }))
            .ok_or_else(|| {
                ParseVersionError::new(
                    input,
                    "the name of a test result file",
                    "ocp-test-result-4.20.27-amd64.json",
                )
            })
    }
}

impl FromStr for LatestName {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut words = between(input, "ocp-latest-", ".json")?.split('-');
            let release = words.next()?.parse().ok()?;
            let word = words.next()?;
            let kind = BuildKind::ALL.into_iter().find(|kind| kind.text() == word)?;
            let arch = words.next()?.parse().ok()?;
            words.next().is_none().then_some(Self { release, kind, arch })
        };
        parse().ok_or_else(|| {
            ParseVersionError::new(
                input,
                "the name of the file of a stream's latest build",
                "ocp-latest-4.20-stable-amd64.json",
            )
        })
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ocp-{}-test-jobs-{}.json", self.release, self.arch)
    }
}

impl fmt::Display for ResultName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ocp-test-result-{}-{}.json", self.build, self.arch)
    }
}

impl fmt::Display for LatestName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ocp-latest-{}-{}-{}.json", self.release, self.kind, self.arch)
    }
}

/// The path in the repository of the file with this name.
pub fn path(name: impl fmt::Display) -> String {
    format!("{FOLDER}/{name}")
}

fn between<'a>(input: &'a str, start: &str, end: &str) -> Option<&'a str> {
    input.strip_prefix(start)?.strip_suffix(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(text: &str) -> BuildName {
        text.parse().unwrap()
    }

    fn refused<T: FromStr<Err = ParseVersionError> + fmt::Debug>(text: &str) {
        let error = text.parse::<T>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")) && error.contains("for example"), "{error}");
    }

    #[test]
    fn builds_of_every_kind_are_read() {
        for (name, release, kind) in [
            ("4.20.27", "4.20", BuildKind::Stable),
            ("4.22.0-rc.1", "4.22", BuildKind::Stable),
            ("5.0.0-ec.3", "5.0", BuildKind::Stable),
            ("10.123.4", "10.123", BuildKind::Stable),
            ("4.20.0-0.nightly-2026-07-01-161907", "4.20", BuildKind::Nightly),
            ("4.16.0-0.nightly-arm64-2024-11-23-145620", "4.16", BuildKind::Nightly),
        ] {
            let read = build(name);
            assert_eq!(
                (read.to_string(), read.y_stream().to_string(), read.kind()),
                (name.into(), release.into(), kind)
            );
        }
        for bad in [
            "",
            "4.20",
            "4.20.27 ",
            "v4.20.27",
            "4.20.27+1",
            "4.20.027",
            "4.20.x",
            "ocp-4.20.27",
            "4.20.27/x",
        ] {
            refused::<BuildName>(bad);
        }
        assert!(format!("4.20.0-{}", "a".repeat(200)).parse::<BuildName>().is_err());
    }

    #[test]
    fn an_older_or_foreign_build_is_not_new() {
        let older = build("4.20.0-0.nightly-2026-06-30-235959");
        let newer = build("4.20.0-0.nightly-2026-07-01-000000");
        assert!(newer.is_newer_than(&older));
        assert!(!older.is_newer_than(&newer) && !newer.is_newer_than(&newer));
        assert!(build("4.20.10").is_newer_than(&build("4.20.9")));
        assert!(build("4.20.0").is_newer_than(&build("4.20.0-rc.2")));
        assert!(build("4.20.0-rc.0").is_newer_than(&build("4.20.0-ec.9")));
        assert!(!build("4.21.0-ec.0").is_newer_than(&build("4.20.9")), "another minor");
        assert!(!build("4.20.0").is_newer_than(&older), "another kind");
    }

    #[test]
    fn the_date_of_a_nightly_is_in_its_name() {
        assert_eq!(build("4.16.0-0.nightly-arm64-2024-07-25-145620").nightly_date(), Some("2024-07-25"));
        assert_eq!(build("4.16.0-0.nightly-2024-07-25").nightly_date(), None);
        assert_eq!(build("4.16.0-ec.1").nightly_date(), None);
        for (name, time) in [
            ("4.16.0-0.nightly-arm64-2024-07-25-145620", Some("2024-07-25T14:56:20Z")),
            ("4.16.0-0.nightly-2024-07-25-995620", None),
            ("4.16.0-0.nightly-2024-07-25", None),
            ("4.16.0", None),
        ] {
            assert_eq!(build(name).nightly_time(), time.map(|time| time.parse().unwrap()), "{name}");
        }
    }

    #[test]
    fn registry_names_are_anchored() {
        let name: RegistryName = "ocp-10.1-test-jobs-amd64.json".parse().unwrap();
        assert_eq!((name.release, name.arch), (YStream::new(10, 1), Arch::Amd64));
        for bad in [
            "ocp-4.x-test-jobs-amd64.json",
            "ocp-5.0-test-jobs-amd64xjson",
            "ocp-5.0-test-jobs-amd64.json.bak",
            "xocp-5.0-test-jobs-amd64.json",
            "ocp-5.0-test-jobs-x86.json",
            "ocp-05.0-test-jobs-amd64.json",
            "_releases/ocp-5.0-test-jobs-amd64.json",
        ] {
            refused::<RegistryName>(bad);
        }
    }

    #[test]
    fn result_names_keep_the_builds_own_architecture() {
        let name: ResultName =
            "ocp-test-result-4.16.0-0.nightly-arm64-2024-11-23-145620-arm64.json".parse().unwrap();
        assert_eq!(
            (name.build.to_string().as_str(), name.arch),
            ("4.16.0-0.nightly-arm64-2024-11-23-145620", Arch::Arm64)
        );
        let name: ResultName = "ocp-test-result-10.1.3-amd64.json".parse().unwrap();
        assert_eq!(name.registry().to_string(), "ocp-10.1-test-jobs-amd64.json");
        assert_eq!(path(&name), "_releases/ocp-test-result-10.1.3-amd64.json");
        for bad in [
            "ocp-test-result-4.20.27.json",
            "ocp-test-result-4.20.27-amd64.json~",
            "ocp-test-result--amd64.json",
        ] {
            refused::<ResultName>(bad);
        }
    }

    #[test]
    fn latest_names_are_anchored() {
        let name: LatestName = "ocp-latest-4.16-nightly-multi.json".parse().unwrap();
        assert_eq!(
            (name.release, name.kind, name.arch),
            (YStream::new(4, 16), BuildKind::Nightly, Arch::Multi)
        );
        for bad in [
            "ocp-latest-4.16-nightly.json",
            "ocp-latest-4.16-nightly-multi-x.json",
            "ocp-latest-4.16-night-multi.json",
        ] {
            refused::<LatestName>(bad);
        }
    }

    proptest! {
        #[test]
        fn names_are_written_as_they_are_read(
            major in 0u64..200, minor in 0u64..200, patch in 0u64..500, arch in 0usize..5,
            kind in 0usize..2, night in 20_200_101u64..20_991_231, pre in 0usize..4,
        ) {
            let (arch, kind) = (Arch::ALL[arch], BuildKind::ALL[kind]);
            let pre = ["", "-ec.7", "-rc.0", &format!("-0.nightly{}-{night}-012345", arch.stream_suffix())][pre].to_owned();
            let build: BuildName = format!("{major}.{minor}.{patch}{pre}").parse().unwrap();
            let release = YStream::new(major, minor);
            prop_assert_eq!(build.y_stream(), release);
            let result = ResultName { build, arch };
            prop_assert_eq!(result.to_string().parse::<ResultName>(), Ok(result));
            let registry = RegistryName { release, arch };
            prop_assert_eq!(registry.to_string().parse::<RegistryName>(), Ok(registry));
            let latest = LatestName { release, kind, arch };
            prop_assert_eq!(latest.to_string().parse::<LatestName>(), Ok(latest));
        }

        #[test]
        fn whatever_is_read_is_the_whole_name(text in "(ocp-|ocp-test-result-|ocp-latest-)?[0-9a-z.-]{0,40}(-amd64)?(.json)?") {
            if let Ok(name) = text.parse::<ResultName>() { prop_assert_eq!(name.to_string(), &*text); }
            if let Ok(name) = text.parse::<RegistryName>() { prop_assert_eq!(name.to_string(), &*text); }
            if let Ok(name) = text.parse::<LatestName>() { prop_assert_eq!(name.to_string(), &*text); }
            if let Ok(name) = text.parse::<BuildName>() { prop_assert_eq!(name.to_string(), &*text); }
        }
    }
}
