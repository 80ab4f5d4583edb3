//! Which build may be recorded as the latest of a stream, and the pull spec of its image (spec 04 §4).

use super::names::{BuildKind, BuildName};
use crate::version::{Arch, YStream};

/// Why the latest build of a stream is not tested (spec 04 §4.4, §7.6.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsuitableBuild {
    /// The build belongs to another minor version or is of the other kind.
    #[error("it is not a {kind} build of {release}")]
    Foreign {
        /// The wanted minor version.
        release: YStream,
        /// The wanted kind.
        kind: BuildKind,
    },
    /// The stream has not accepted the build.
    #[error("its phase is `{0}`, not `Accepted`")]
    Phase(String),
}

/// Checks that `build`, in `phase`, may become the latest build of this minor version and kind.
pub fn check_latest(
    build: &BuildName,
    phase: &str,
    release: YStream,
    kind: BuildKind,
) -> Result<(), UnsuitableBuild> {
    if build.y_stream() != release || build.kind() != kind {
        return Err(UnsuitableBuild::Foreign { release, kind });
    }
    if phase != "Accepted" {
        return Err(UnsuitableBuild::Phase(phase.chars().take(40).collect()));
    }
    Ok(())
}

/// The image of a release or candidate.
pub fn stable_pull_spec(build: &BuildName, arch: Arch) -> String {
    format!("quay.io/openshift-release-dev/ocp-release:{build}-{}", arch.tag_suffix())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: YStream = YStream::new(4, 20);

    #[test]
    fn a_foreign_or_refused_latest_build_is_not_wanted() {
        let check =
            |build: &str, phase: &str, kind| check_latest(&build.parse().unwrap(), phase, RELEASE, kind);
        assert_eq!(check("4.20.1", "Accepted", BuildKind::Stable), Ok(()));
        for (build, kind) in
            [("4.21.0-ec.0", BuildKind::Stable), ("4.2.1", BuildKind::Stable), ("4.20.1", BuildKind::Nightly)]
        {
            let refusal = check(build, "Accepted", kind).unwrap_err();
            assert_eq!(refusal.to_string(), format!("it is not a {kind} build of 4.20"));
        }
        assert_eq!(
            check("4.20.1", "Rejected", BuildKind::Stable),
            Err(UnsuitableBuild::Phase("Rejected".into()))
        );
    }

    #[test]
    fn images_of_stable_builds_are_named_as_the_facts_say() {
        for (build, arch, tag) in [
            ("4.20.27", Arch::Amd64, "4.20.27-x86_64"),
            ("5.0.0-ec.3", Arch::Arm64, "5.0.0-ec.3-aarch64"),
            ("4.20.27", Arch::S390x, "4.20.27-s390x"),
        ] {
            let expected = format!("quay.io/openshift-release-dev/ocp-release:{tag}");
            assert_eq!(stable_pull_spec(&build.parse().unwrap(), arch), expected);
        }
    }
}
