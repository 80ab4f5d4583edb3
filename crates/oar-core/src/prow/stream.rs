//! The release streams that builds come from, and what their images are called (spec 04 §4).

use super::names::{BuildKind, BuildName};
use crate::version::{Arch, YStream};

/// A release stream, with the filter that picks the builds of one minor version from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The stream's name: `4.20.0-0.nightly`, `4-stable-arm64`, `5-dev-preview`.
    pub name: String,
    /// What the names of the wanted builds begin with: `4.20.`, with the dot, because the release controller compares
    /// plain text and `4.2` would match `4.20.1`. `None` where the stream holds one minor version only.
    pub prefix: Option<String>,
}

impl Stream {
    /// The stream of the nightlies of a minor version.
    pub fn nightly(release: YStream, arch: Arch) -> Self {
        Self { name: format!("{release}.0-0.nightly{}", arch.stream_suffix()), prefix: None }
    }

    /// The stream of releases and candidates, for a minor version.
    pub fn stable(release: YStream, arch: Arch) -> Self {
        Self::of_major("stable", release, arch)
    }

    /// The stream of early candidates, for a minor version.
    pub fn dev_preview(release: YStream, arch: Arch) -> Self {
        Self::of_major("dev-preview", release, arch)
    }

    fn of_major(word: &str, release: YStream, arch: Arch) -> Self {
        Self {
            name: format!("{}-{word}{}", release.major(), arch.stream_suffix()),
            prefix: Some(format!("{release}.")),
        }
    }

    /// Where the latest build of this kind is looked for: the next stream only when the one before has none (404).
    pub fn for_latest(release: YStream, kind: BuildKind, arch: Arch) -> Vec<Self> {
        match kind {
            BuildKind::Nightly => vec![Self::nightly(release, arch)],
            BuildKind::Stable => vec![Self::stable(release, arch), Self::dev_preview(release, arch)],
        }
    }

    /// Where exactly this build is looked for, in this order. An early candidate stays in its own stream after its minor
    /// version has releases (spec 04 §4.5).
    pub fn for_build(build: &BuildName, arch: Arch) -> Vec<Self> {
        let mut streams = Self::for_latest(build.y_stream(), build.kind(), arch);
        if build.is_early_candidate() {
            streams.reverse();
        }
        streams
    }

    /// The path below the release controller's base, `latest`, `tags` or `release/<build>` being `what`.
    pub fn path(&self, what: &str) -> String {
        format!("api/v1/releasestream/{}/{what}", self.name)
    }
}

/// Why what a stream calls its latest build is not one that is tested (spec 04 §4.4, §7.6.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWanted {
    /// The build belongs to another minor version or is of the other kind.
    #[error("it is not a {kind} build of {release}")]
    Foreign {
        /// The minor version that was wanted.
        release: YStream,
        /// The kind that was wanted.
        kind: BuildKind,
    },
    /// The stream has not accepted the build.
    #[error("its phase is `{0}`, not `Accepted`")]
    Phase(String),
}

/// Whether `build`, in `phase`, may become the latest build of this minor version and kind.
pub fn check_latest(
    build: &BuildName,
    phase: &str,
    release: YStream,
    kind: BuildKind,
) -> Result<(), NotWanted> {
    if build.y_stream() != release || build.kind() != kind {
        return Err(NotWanted::Foreign { release, kind });
    }
    if phase != "Accepted" {
        return Err(NotWanted::Phase(phase.chars().take(40).collect()));
    }
    Ok(())
}

/// The namespace of the release payload objects of an architecture (spec 04 §2.6).
pub fn payload_namespace(arch: Arch) -> String {
    format!("ocp{}", arch.stream_suffix())
}

/// The image of a build, where its name tells it (spec 04 §4.3); multi nightlies and others are known by digest only.
pub fn pull_spec(build: &BuildName, arch: Arch) -> Option<String> {
    match (build.kind(), arch) {
        (BuildKind::Stable, _) => Some(stable_pull_spec(build, arch)),
        (BuildKind::Nightly, Arch::Amd64) => {
            let repository = match build.y_stream().major() {
                4 => "release".to_owned(),
                major => format!("release-{major}"),
            };
            Some(format!("registry.ci.openshift.org/ocp/{repository}:{build}"))
        }
        (BuildKind::Nightly, Arch::Arm64) if build.y_stream().major() == 4 => {
            Some(format!("registry.ci.openshift.org/ocp-arm64/release-arm64:{build}"))
        }
        (BuildKind::Nightly, _) => None,
    }
}

/// The image of a release or candidate.
pub fn stable_pull_spec(build: &BuildName, arch: Arch) -> String {
    format!("quay.io/openshift-release-dev/ocp-release:{build}-{}", arch.tag_suffix())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: YStream = YStream::new(4, 20);

    fn named(streams: &[Stream]) -> Vec<(&str, Option<&str>)> {
        streams.iter().map(|stream| (stream.name.as_str(), stream.prefix.as_deref())).collect()
    }

    #[test]
    fn the_latest_build_is_looked_for_with_a_prefix_in_both_streams() {
        let streams = Stream::for_latest(RELEASE, BuildKind::Stable, Arch::Amd64);
        assert_eq!(named(&streams), [("4-stable", Some("4.20.")), ("4-dev-preview", Some("4.20."))]);
        let streams = Stream::for_latest(YStream::new(5, 1), BuildKind::Stable, Arch::Arm64);
        assert_eq!(
            named(&streams),
            [("5-stable-arm64", Some("5.1.")), ("5-dev-preview-arm64", Some("5.1."))]
        );
        let streams = Stream::for_latest(RELEASE, BuildKind::Nightly, Arch::Multi);
        assert_eq!(named(&streams), [("4.20.0-0.nightly-multi", None)]);
        assert_eq!(streams[0].path("latest"), "api/v1/releasestream/4.20.0-0.nightly-multi/latest");
    }

    #[test]
    fn an_early_candidate_is_looked_for_in_its_own_stream_first() {
        let early = Stream::for_build(&"4.20.0-ec.3".parse().unwrap(), Arch::Amd64);
        assert_eq!(named(&early)[0], ("4-dev-preview", Some("4.20.")));
        let candidate = Stream::for_build(&"4.20.0-rc.3".parse().unwrap(), Arch::Amd64);
        assert_eq!(named(&candidate)[0], ("4-stable", Some("4.20.")));
    }

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
        assert_eq!(check("4.20.1", "Rejected", BuildKind::Stable), Err(NotWanted::Phase("Rejected".into())));
    }

    #[test]
    fn images_are_named_as_the_facts_say() {
        let spec = |build: &str, arch| pull_spec(&build.parse().unwrap(), arch);
        for (build, arch, expected) in [
            ("4.20.27", Arch::Amd64, Some("quay.io/openshift-release-dev/ocp-release:4.20.27-x86_64")),
            ("5.0.0-ec.3", Arch::Arm64, Some("quay.io/openshift-release-dev/ocp-release:5.0.0-ec.3-aarch64")),
            ("4.20.27", Arch::S390x, Some("quay.io/openshift-release-dev/ocp-release:4.20.27-s390x")),
            (
                "4.20.0-0.nightly-2026-07-01-161907",
                Arch::Amd64,
                Some("registry.ci.openshift.org/ocp/release:4.20.0-0.nightly-2026-07-01-161907"),
            ),
            (
                "5.0.0-0.nightly-2026-07-01-161907",
                Arch::Amd64,
                Some("registry.ci.openshift.org/ocp/release-5:5.0.0-0.nightly-2026-07-01-161907"),
            ),
            (
                "4.16.0-0.nightly-arm64-2024-11-23-145620",
                Arch::Arm64,
                Some(
                    "registry.ci.openshift.org/ocp-arm64/release-arm64:4.16.0-0.nightly-arm64-2024-11-23-145620",
                ),
            ),
            ("4.16.0-0.nightly-multi-2024-11-23-145620", Arch::Multi, None),
        ] {
            assert_eq!(spec(build, arch).as_deref(), expected);
        }
        assert_eq!(
            (payload_namespace(Arch::Amd64), payload_namespace(Arch::Arm64)),
            ("ocp".into(), "ocp-arm64".into())
        );
    }
}
