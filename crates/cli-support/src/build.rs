use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The build of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Its origin; `None` for a program that is built alone during development. The installed program is
    /// `release-tests`, whose build script sets it.
    pub origin: Option<Origin>,
}

/// The source and the time of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The abbreviated commit; empty when git did not report it.
    pub commit: &'static str,
    /// Whether there were uncommitted changes.
    pub changed: bool,
    /// The time of the build, or `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub time: i64,
}

impl Build {
    /// A program that is built alone.
    pub const DEVELOPMENT: Self = Self { origin: None };

    /// The output of `--version` after the program's name: `v0.1.0 (commit 1f2e3d4c5b6a, built 2026-07-02)`.
    pub fn version(self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let Some(Origin { commit, changed, time }) = self.origin else {
            return format!("v{version} (development build)");
        };
        let date = Timestamp::from_second(time).unwrap_or_default().to_zoned(TimeZone::UTC).date();
        let commit = match (commit, changed) {
            ("", _) => "unknown (built without git)".to_owned(),
            (commit, true) => format!("{commit} with later changes"),
            (commit, false) => commit.to_owned(),
        };
        format!("v{version} (commit {commit}, built {date})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_and_day_are_said_and_what_is_not_known() {
        let origin = Origin { commit: "1f2e3d4c5b6a", changed: false, time: 1_782_950_400 };
        let said = |origin| Build { origin: Some(origin) }.version();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(said(origin), format!("v{version} (commit 1f2e3d4c5b6a, built 2026-07-02)"));
        let changed = Origin { changed: true, ..origin };
        assert!(said(changed).contains("(commit 1f2e3d4c5b6a with later changes, built 2026-07-02)"));
        let unknown = Origin { commit: "", ..origin };
        assert!(said(unknown).contains("(commit unknown (built without git), built 2026-07-02)"));
        assert_eq!(Build::DEVELOPMENT.version(), format!("v{version} (development build)"));
    }
}
