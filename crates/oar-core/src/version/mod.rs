//! Versions and architectures, parsed once at the edge and passed as types.

mod arch;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

pub use arch::Arch;

/// A text that is not a version, or not the name of one of the things that carry a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not {expected} (for example {example})")]
pub struct ParseVersionError {
    input: String,
    expected: &'static str,
    example: &'static str,
}

impl ParseVersionError {
    /// `input` is not `expected`; long input is cut.
    pub(crate) fn new(input: &str, expected: &'static str, example: &'static str) -> Self {
        Self { input: input.chars().take(120).collect(), expected, example }
    }
}

/// The version of one release: `4.19.1`, `4.22.0-rc.0`, `5.0.0-ec.3`.
///
/// Ordered as semantic versions are: `4.9.1 < 4.10.0`, `4.19.0-ec.3 < 4.19.0-rc.0 < 4.19.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseVersion(semver::Version);

impl ReleaseVersion {
    /// The stream that this release belongs to: `4.19` for `4.19.1`.
    pub fn y_stream(&self) -> YStream {
        YStream { major: self.0.major, minor: self.0.minor }
    }

    /// The key of this release under `releases` in the build data: the pre-release part alone for `ec` and `rc`
    /// (`rc.8` for `4.18.0-rc.8`), otherwise the whole version (spec 01 §1.4).
    pub fn assembly(&self) -> String {
        let pre = self.0.pre.as_str();
        if pre.starts_with("ec") || pre.starts_with("rc") { pre.to_owned() } else { self.0.to_string() }
    }

    /// Whether this is a pre-release (`ec`, `rc` or any other).
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// Whether this is an engineering candidate, a preview (`5.0.0-ec.3`).
    pub fn is_engineering_candidate(&self) -> bool {
        self.0.pre.as_str().starts_with("ec")
    }

    /// The first version part; it selects the release stream `<major>-stable`.
    pub fn major(&self) -> u64 {
        self.0.major
    }
}

impl FromStr for ReleaseVersion {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        semver::Version::parse(input).map(Self).map_err(|_| {
            ParseVersionError::new(
                input,
                "a release version: three numbers, with an optional pre-release part",
                "4.19.1 or 4.22.0-rc.0",
            )
        })
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl PartialOrd for ReleaseVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ReleaseVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Serialize for ReleaseVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A minor stream of releases: `4.19`, `5.0`. Ordered by number: `4.9 < 4.10 < 5.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct YStream {
    major: u64,
    minor: u64,
}

impl YStream {
    /// The stream `major.minor`.
    pub const fn new(major: u64, minor: u64) -> Self {
        Self { major, minor }
    }

    /// The first number.
    pub const fn major(self) -> u64 {
        self.major
    }

    /// The second number.
    pub const fn minor(self) -> u64 {
        self.minor
    }
}

impl FromStr for YStream {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            let canonical = !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'));
            if canonical { text.parse().ok() } else { None }
        };
        input
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: number(major)?, minor: number(minor)? }))
            .ok_or_else(|| ParseVersionError::new(input, "a y-stream: two numbers", "4.19 or 5.0"))
    }
}

impl fmt::Display for YStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for YStream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

crate::schema::read_from_text!(ReleaseVersion, YStream);
crate::schema::text_schema!(
    ReleaseVersion,
    "ReleaseVersion",
    "The version of one release: three numbers, with an optional pre-release part",
    ["4.19.1", "4.22.0-rc.0"]
);
crate::schema::text_schema!(YStream, "YStream", "A y-stream: two numbers", ["4.19", "5.0"]);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn release(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    #[test]
    fn accepts_releases_and_refuses_everything_else() {
        for good in ["4.19.1", "4.22.0-rc.0", "5.0.0-ec.3", "4.12.100"] {
            assert_eq!(release(good).to_string(), good);
        }
        for bad in ["", "4.19", "4.", "04.19.1", "4.19.1 ", "v4.19.1", "4.19.x", "4.19.1.2"] {
            let error = bad.parse::<ReleaseVersion>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("4.19.1"), "{error}");
        }
    }

    #[test]
    fn the_assembly_of_a_prerelease_is_its_prerelease_part() {
        assert_eq!(release("4.18.0-rc.8").assembly(), "rc.8");
        assert_eq!(release("4.19.0-ec.1").assembly(), "ec.1");
        assert_eq!(release("4.19.7").assembly(), "4.19.7");
    }

    #[test]
    fn five_zero_is_not_four_fifteen() {
        assert_eq!(release("4.15.0").y_stream().to_string(), "4.15");
        assert_eq!(release("5.0.0-ec.3").y_stream(), YStream::new(5, 0));
        assert!(YStream::new(4, 9) < YStream::new(4, 10));
        assert!("4.019".parse::<YStream>().is_err());
        assert!("4".parse::<YStream>().is_err());
        assert!("+4.1".parse::<YStream>().is_err());
    }

    proptest! {
        #[test]
        fn releases_are_ordered_by_number(a in (4u64..6, 0u64..30, 0u64..120), b in (4u64..6, 0u64..30, 0u64..120)) {
            let left = release(&format!("{}.{}.{}", a.0, a.1, a.2));
            let right = release(&format!("{}.{}.{}", b.0, b.1, b.2));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        }

        #[test]
        fn candidates_come_before_their_release(minor in 0u64..30, ec in 0u64..12, rc in 0u64..12) {
            let early = release(&format!("4.{minor}.0-ec.{ec}"));
            let candidate = release(&format!("4.{minor}.0-rc.{rc}"));
            let final_release = release(&format!("4.{minor}.0"));
            prop_assert!(early < candidate && candidate < final_release);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = text.parse::<ReleaseVersion>();
            let _ = text.parse::<YStream>();
        }
    }
}
