use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Which build of the programs this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Where it comes from; `None` for a program that is built by itself while it is worked on. What is installed is
    /// `release-tests`, whose build script knows it.
    pub origin: Option<Origin>,
}

/// What a build was made from, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The commit, shortened; empty where git did not say it.
    pub commit: &'static str,
    /// Whether files had been changed after that commit.
    pub changed: bool,
    /// When it was built, or `SOURCE_DATE_EPOCH`: seconds since 1970.
    pub time: i64,
}

impl Build {
    /// A program that is built by itself.
    pub const DEVELOPMENT: Self = Self { origin: None };

    /// What `--version` says after the program's name: `v0.1.0 (commit 1f2e3d4c5b6a, built 2026-07-02)`.
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
