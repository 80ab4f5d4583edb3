//! The release that a job was started for, by its pull spec (spec 03 §7.4, §12 D11).

use crate::version::ReleaseVersion;

/// The release and the nightly that a job may have been started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPayload {
    release: String,
    candidate: Option<String>,
}

/// The architecture that stage tests and the consistency check run on.
const ARCHITECTURE: &str = "x86_64";

impl ExpectedPayload {
    /// The payload of `release`, or its candidate nightly.
    pub fn new(release: &ReleaseVersion, candidate: Option<&str>) -> Self {
        Self { release: release.to_string(), candidate: candidate.map(str::to_owned) }
    }

    /// The pull spec for jobs: `…/ocp-release:4.19.1-x86_64` (`interop-exact`).
    pub fn pull_spec(&self, repository: &str) -> String {
        format!("{repository}:{}-{ARCHITECTURE}", self.release)
    }

    /// Whether `pull_spec` is the payload of the release itself, by its tag, and not a nightly.
    pub fn is_release(&self, pull_spec: &str) -> bool {
        tag(pull_spec.trim()).is_some_and(|tag| tag == format!("{}-{ARCHITECTURE}", self.release))
    }

    /// Checks that `pull_spec` is of exactly this release or its candidate; the error names what it is of.
    pub fn check(&self, pull_spec: &str) -> Result<(), String> {
        let pull_spec = pull_spec.trim();
        let shown: String = pull_spec.chars().take(120).collect();
        let tag = tag(pull_spec).ok_or_else(|| {
            format!("it was started for `{shown}`, whose release cannot be determined from its tag")
        })?;
        let exact = tag.strip_suffix(ARCHITECTURE).and_then(|tag| tag.strip_suffix('-')).unwrap_or(tag);
        if exact == self.release || self.candidate.as_deref() == Some(exact) {
            return Ok(());
        }
        Err(format!("it was started for {exact}, not for {}", self.release))
    }
}

/// The tag of a pull spec; `None` when it has a digest, which takes precedence over a tag.
fn tag(pull_spec: &str) -> Option<&str> {
    if pull_spec.contains('@') {
        return None;
    }
    let name = pull_spec.rsplit('/').next()?;
    let (_, tag) = name.split_once(':')?;
    (!tag.is_empty()).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_must_be_equal_and_not_begin_alike() {
        let nightly = "4.19.0-0.nightly-2026-06-20-101010";
        let expected = ExpectedPayload::new(&"4.19.1".parse().unwrap(), Some(nightly));
        let own = expected.pull_spec("registry.example.test:5000/demo/ocp-release");
        assert_eq!(own, "registry.example.test:5000/demo/ocp-release:4.19.1-x86_64");
        for good in
            [own.as_str(), "r.example.test/x:4.19.1", &format!("r.example.test/ocp/release:{nightly}")]
        {
            assert_eq!(expected.check(good), Ok(()), "{good}");
        }
        for (bad, words) in [
            ("r.example.test/x:4.19.12-x86_64", "started for 4.19.12, not for 4.19.1"),
            ("r.example.test/x:4.19.1-rc.1-x86_64", "4.19.1-rc.1"),
            ("r.example.test/x:4.19.1-aarch64", "4.19.1-aarch64"),
            (&format!("r.example.test/x:{nightly}0"), "1010100"),
            ("r.example.test:5000/x", "cannot be determined"),
            ("r.example.test/x@sha256:aa", "cannot be determined"),
            ("r.example.test/x:4.19.1@sha256:aa", "cannot be determined"),
            ("", "cannot be determined"),
        ] {
            let error = expected.check(bad).unwrap_err();
            assert!(error.contains(words), "{bad}: {error}");
        }
        assert!(expected.is_release(&own));
        for other in ["r.example.test/x:4.19.12-x86_64", "r.example.test/x:4.19.1-aarch64", nightly, ""] {
            assert!(!expected.is_release(other), "{other}");
        }
        let none = ExpectedPayload::new(&"4.19.1".parse().unwrap(), None);
        assert!(none.check("r.example.test/x:4.19.12").is_err(), "no candidate is no error of its own");
    }
}
