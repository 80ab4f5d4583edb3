//! The names of builds and of their files.
//!
//! Names are matched as a whole (spec 04 §5.5, §6): a partial match is not enough, and numbers may have any
//! length.

use std::fmt;
use std::str::FromStr;

pub use crate::ids::{BuildKind, BuildName};

use crate::version::{Arch, ParseVersionError, YStream};

/// The folder of the repository with registries and record files.
pub const FOLDER: &str = "_releases";

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
