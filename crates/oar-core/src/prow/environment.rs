//! The images of a test job, and the variables that pass them (spec 04 §3).

use std::fmt;

use indexmap::IndexMap;

use super::names::BuildName;
use super::registry::TestJob;
use super::stream::stable_pull_spec;
use crate::version::{Arch, YStream};

/// The images that a job tests, as pull specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobImages {
    /// The job's configured images.
    Configured,
    /// Installs this one.
    Payload(String),
    /// Upgrades from this one to the configured one.
    UpgradeFrom(String),
    /// Upgrades to this one from the configured one.
    UpgradeTo(String),
    /// Upgrades from one to the other.
    Upgrade {
        /// The initial image.
        from: String,
        /// The target image.
        to: String,
    },
}

/// Why images cannot be passed to a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImagesError {
    /// An installation and an upgrade at the same time.
    #[error(
        "an image to install and images to upgrade between were both given; a job either installs one or upgrades"
    )]
    PayloadAndUpgrade,
    /// A job for arm64 needs an amd64 image of the same version, which cannot be derived.
    #[error(
        "the image `{image}` does not tell its version, which the amd64 image beside it is found by; give one such as \
         quay.io/openshift-release-dev/ocp-release:4.20.1-aarch64"
    )]
    NoBase {
        /// The image.
        image: String,
    },
}

impl JobImages {
    /// The images for the options `--payload`, `--upgrade_from` and `--upgrade_to`, and whether the payload
    /// is ignored, as it is with one upgrade option. All three together are refused.
    pub fn of_options(
        payload: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(Self, bool), ImagesError> {
        let owned = str::to_owned;
        let images = match (payload, from, to) {
            (Some(_), Some(_), Some(_)) => return Err(ImagesError::PayloadAndUpgrade),
            (None, Some(from), Some(to)) => Self::Upgrade { from: owned(from), to: owned(to) },
            (_, Some(from), None) => Self::UpgradeFrom(owned(from)),
            (_, None, Some(to)) => Self::UpgradeTo(owned(to)),
            (Some(payload), None, None) => Self::Payload(owned(payload)),
            (None, None, None) => Self::Configured,
        };
        Ok((images, payload.is_some() && (from.is_some() || to.is_some())))
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Configured => Vec::new(),
            Self::Payload(one) | Self::UpgradeFrom(one) | Self::UpgradeTo(one) => vec![one],
            Self::Upgrade { from, to } => vec![from, to],
        }
    }

    /// The images for a job of the registry that tests a build. `latest_stable` is the image of the newest
    /// stable build of the same minor version, for jobs for which [`upgrades_from_stable`] is true.
    pub fn of_job(job: &TestJob, build: &BuildName, pull_spec: &str, latest_stable: Option<&str>) -> Self {
        let to = pull_spec.to_owned();
        match latest_stable.filter(|_| upgrades_from_stable(job, build)) {
            _ if !job.upgrade => Self::Payload(to),
            Some(from) => Self::Upgrade { from: from.to_owned(), to },
            None => Self::UpgradeTo(to),
        }
    }
}

/// Whether the job upgrades from the newest stable build of the minor version of `build` (spec 04 §5.3): an
/// upgrade job for nightlies with `upgrade-from-stable-<X.Y>` in its name. `4.2` in a name does not match
/// 4.20.
pub fn upgrades_from_stable(job: &TestJob, build: &BuildName) -> bool {
    let words = format!("upgrade-from-stable-{}", build.y_stream());
    let says_so = job.name.match_indices(&words).any(|(at, found)| {
        !job.name.get(at + found.len()..).unwrap_or_default().starts_with(|next: char| next.is_ascii_digit())
    });
    job.upgrade && build.is_nightly() && says_so
}

/// The kind of image, a column of the table, which decides the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// amd64.
    Amd64,
    /// arm64, a nightly.
    Arm64Nightly,
    /// arm64, other builds: they are installed with the help of an amd64 image.
    Arm64Stable,
    /// Multi-architecture images.
    Multi,
    /// Power.
    Ppc64le,
    /// IBM Z. The Python tooling has no variables for it; these follow the pattern of the others.
    S390x,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 6] =
        [Self::Amd64, Self::Arm64Nightly, Self::Arm64Stable, Self::Multi, Self::Ppc64le, Self::S390x];

    /// The column for a build. The image's name does not show it: a multi nightly's has only a digest (spec
    /// 04 §3.3).
    pub fn of_build(build: &BuildName, arch: Arch) -> Self {
        Self::of(arch, build.is_nightly())
    }

    /// The column for images of which only the names are known. Both of two images must name the
    /// architecture; otherwise the first column applies, as in the Python tooling. The precedence among
    /// several named architectures is the Python tooling's too (spec 04 §3.2).
    pub fn of_images(images: &JobImages) -> Self {
        let names = images.names();
        let order = match images {
            JobImages::Payload(_) => [Arch::Ppc64le, Arch::Multi, Arch::Arm64, Arch::S390x],
            _ => [Arch::Arm64, Arch::Ppc64le, Arch::Multi, Arch::S390x],
        };
        let told = |arch: &Arch| !names.is_empty() && names.iter().all(|name| speaks_of(name, *arch));
        let arch = order.into_iter().find(told).unwrap_or(Arch::Amd64);
        Self::of(arch, names.iter().any(|name| name.contains("nightly")))
    }

    /// The column for images of which only the architecture is known.
    pub fn of_arch(images: &JobImages, arch: Arch) -> Self {
        Self::of(arch, images.names().iter().any(|name| name.contains("nightly")))
    }

    fn of(arch: Arch, nightly: bool) -> Self {
        match arch {
            Arch::Amd64 => Self::Amd64,
            Arch::Arm64 if nightly => Self::Arm64Nightly,
            Arch::Arm64 => Self::Arm64Stable,
            Arch::Multi => Self::Multi,
            Arch::Ppc64le => Self::Ppc64le,
            Arch::S390x => Self::S390x,
        }
    }
}

/// Whether the name of an image contains an architecture.
fn speaks_of(name: &str, arch: Arch) -> bool {
    let words: &[&str] = match arch {
        Arch::Amd64 => &[],
        Arch::Arm64 => &["arm64", "aarch64"],
        // Only multi nightlies are published under the second (spec 04 §3.3).
        Arch::Multi => &["multi", "ocp-release-nightly@"],
        Arch::Ppc64le => &["ppc64le"],
        Arch::S390x => &["s390x"],
    };
    words.iter().any(|word| name.contains(word))
}

/// The given images: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Payload,
    From,
    To,
    FromAndTo,
}

/// The value of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// The image to install or to upgrade from; the target if only that is given.
    Image,
    /// The image to upgrade to.
    Target,
    /// The amd64 image with the version of the image to install or to upgrade from.
    Base,
}

/// A cell of the table: the variables in their order.
type Cell = (Given, Column, &'static [(&'static str, Set)]);

/// The table (interop-exact, spec 04 §3): the variables for the given images and each column.
const TABLE: [Cell; 24] = [
    (Given::Payload, Column::Amd64, &[("RELEASE_IMAGE_LATEST", Set::Image)]),
    (Given::Payload, Column::Arm64Nightly, &[("RELEASE_IMAGE_ARM64_LATEST", Set::Image)]),
    (
        Given::Payload,
        Column::Arm64Stable,
        &[("RELEASE_IMAGE_LATEST", Set::Base), ("RELEASE_IMAGE_ARM64_LATEST", Set::Image)],
    ),
    (Given::Payload, Column::Multi, &[("RELEASE_IMAGE_MULTI_LATEST", Set::Image)]),
    (Given::Payload, Column::Ppc64le, &[("RELEASE_IMAGE_PPC64LE_LATEST", Set::Image)]),
    (Given::Payload, Column::S390x, &[("RELEASE_IMAGE_S390X_LATEST", Set::Image)]),
    (Given::From, Column::Amd64, &[("RELEASE_IMAGE_LATEST", Set::Image)]),
    (Given::From, Column::Arm64Nightly, &[("RELEASE_IMAGE_ARM64_LATEST", Set::Image)]),
    (
        Given::From,
        Column::Arm64Stable,
        &[("RELEASE_IMAGE_LATEST", Set::Base), ("RELEASE_IMAGE_ARM64_LATEST", Set::Image)],
    ),
    (Given::From, Column::Multi, &[("RELEASE_IMAGE_MULTI_LATEST", Set::Image)]),
    (Given::From, Column::Ppc64le, &[("RELEASE_IMAGE_PPC64LE_LATEST", Set::Image)]),
    (Given::From, Column::S390x, &[("RELEASE_IMAGE_S390X_LATEST", Set::Image)]),
    (Given::To, Column::Amd64, &[("RELEASE_IMAGE_TARGET", Set::Target)]),
    (Given::To, Column::Arm64Nightly, &[("RELEASE_IMAGE_ARM64_TARGET", Set::Target)]),
    (
        Given::To,
        Column::Arm64Stable,
        &[("RELEASE_IMAGE_LATEST", Set::Base), ("RELEASE_IMAGE_ARM64_TARGET", Set::Target)],
    ),
    (Given::To, Column::Multi, &[("RELEASE_IMAGE_MULTI_TARGET", Set::Target)]),
    (Given::To, Column::Ppc64le, &[("RELEASE_IMAGE_PPC64LE_TARGET", Set::Target)]),
    (Given::To, Column::S390x, &[("RELEASE_IMAGE_S390X_TARGET", Set::Target)]),
    (
        Given::FromAndTo,
        Column::Amd64,
        &[("RELEASE_IMAGE_LATEST", Set::Image), ("RELEASE_IMAGE_TARGET", Set::Target)],
    ),
    (
        Given::FromAndTo,
        Column::Arm64Nightly,
        &[("RELEASE_IMAGE_ARM64_LATEST", Set::Image), ("RELEASE_IMAGE_ARM64_TARGET", Set::Target)],
    ),
    (
        Given::FromAndTo,
        Column::Arm64Stable,
        &[
            ("RELEASE_IMAGE_LATEST", Set::Base),
            ("RELEASE_IMAGE_ARM64_LATEST", Set::Image),
            ("RELEASE_IMAGE_ARM64_TARGET", Set::Target),
        ],
    ),
    (
        Given::FromAndTo,
        Column::Multi,
        &[("RELEASE_IMAGE_MULTI_LATEST", Set::Image), ("RELEASE_IMAGE_MULTI_TARGET", Set::Target)],
    ),
    (
        Given::FromAndTo,
        Column::Ppc64le,
        &[("RELEASE_IMAGE_PPC64LE_LATEST", Set::Image), ("RELEASE_IMAGE_PPC64LE_TARGET", Set::Target)],
    ),
    (
        Given::FromAndTo,
        Column::S390x,
        &[("RELEASE_IMAGE_S390X_LATEST", Set::Image), ("RELEASE_IMAGE_S390X_TARGET", Set::Target)],
    ),
];

/// The variables that pass the images to a job. Empty for [`JobImages::Configured`].
pub fn variables(images: &JobImages, column: Column) -> Result<IndexMap<String, String>, ImagesError> {
    let (given, image, target) = match images {
        JobImages::Configured => return Ok(IndexMap::new()),
        JobImages::Payload(image) => (Given::Payload, image, image),
        JobImages::UpgradeFrom(from) => (Given::From, from, from),
        JobImages::UpgradeTo(to) => (Given::To, to, to),
        JobImages::Upgrade { from, to } => (Given::FromAndTo, from, to),
    };
    let mut variables = IndexMap::new();
    let row = TABLE.iter().find(|(row, of, _)| *row == given && *of == column);
    for (name, set) in row.map(|(.., set)| *set).unwrap_or_default() {
        let value = match set {
            Set::Image => image.clone(),
            Set::Target => target.clone(),
            Set::Base => base_image(image)?,
        };
        variables.insert((*name).to_owned(), value);
    }
    Ok(variables)
}

/// The amd64 image with the version in the tag of `image`: `4.20.0-ec.3-x86_64` for `…:4.20.0-ec.3-aarch64`
/// (spec 04 §3.1). Without such a tag the Python tooling uses a fixed version; here that is an error.
pub fn base_image(image: &str) -> Result<String, ImagesError> {
    let tag = image.rsplit_once(':').filter(|_| !image.contains('@')).map(|(_, tag)| tag);
    tag.and_then(|tag| tag.rsplit_once('-'))
        .and_then(|(version, _)| version.parse().ok())
        .map(|version: BuildName| stable_pull_spec(&version, Arch::Amd64))
        .ok_or_else(|| ImagesError::NoBase { image: image.chars().take(160).collect() })
}

/// The special jobs of a release (spec 04 §1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseImage {
    /// The pull spec, unchanged.
    pub pull_spec: String,
    /// The minor version in its tag.
    pub release: YStream,
}

/// A pull spec that is not one of an amd64 release image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the pull spec of a release image for x86_64 (for example \
     quay.io/openshift-release-dev/ocp-release:4.20.1-x86_64)"
)]
pub struct NotAReleaseImage(String);

impl std::str::FromStr for ReleaseImage {
    type Err = NotAReleaseImage;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        input
            .strip_prefix("quay.io/openshift-release-dev/ocp-release:")
            .and_then(|tag| tag.strip_suffix("-x86_64"))
            .and_then(|version| version.parse::<BuildName>().ok())
            .map(|version| Self { pull_spec: input.to_owned(), release: version.y_stream() })
            .ok_or_else(|| NotAReleaseImage(input.chars().take(160).collect()))
    }
}

impl fmt::Display for ReleaseImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.pull_spec)
    }
}

crate::schema::read_from_text!(ReleaseImage);
crate::schema::text_schema!(
    ReleaseImage,
    "ReleaseImage",
    "The pull spec of a release image for x86_64",
    ["quay.io/openshift-release-dev/ocp-release:4.20.1-x86_64"]
);

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHTLY_ARM: &str =
        "registry.ci.openshift.org/ocp-arm64/release-arm64:4.20.0-0.nightly-arm64-2026-07-01-161907";
    const MULTI_NIGHTLY: &str = "quay.io/openshift-release-dev/ocp-release-nightly@sha256:0123";

    fn stable(version: &str, suffix: &str) -> String {
        format!("quay.io/openshift-release-dev/ocp-release:{version}-{suffix}")
    }

    fn set(images: &JobImages, column: Column) -> Vec<(String, String)> {
        variables(images, column).unwrap().into_iter().collect()
    }

    /// Checks one row: the images, and per column the variables without their common `RELEASE_IMAGE_`.
    fn row(images: impl Fn(&str) -> JobImages, expected: [&[(&str, &str)]; 6]) {
        for (column, expected) in Column::ALL.into_iter().zip(expected) {
            let expected: Vec<(String, String)> = expected
                .iter()
                .map(|(name, image)| {
                    let image =
                        if *image == "base" { stable("4.20.1", "x86_64") } else { stable(image, "aarch64") };
                    (format!("RELEASE_IMAGE_{name}"), image)
                })
                .collect();
            assert_eq!(set(&images("aarch64"), column), expected, "{column:?}");
        }
    }

    /// A row with one image, passed by the variables that end in `word`.
    fn row_of_one(images: impl Fn(String) -> JobImages, word: &str) {
        let names =
            ["", "ARM64_", "ARM64_", "MULTI_", "PPC64LE_", "S390X_"].map(|prefix| format!("{prefix}{word}"));
        let told = [0, 1, 2, 3, 4, 5].map(|column| (names[column].as_str(), "4.20.1"));
        row(
            |arch| images(stable("4.20.1", arch)),
            [&told[..1], &told[1..2], &[("LATEST", "base"), told[2]], &told[3..4], &told[4..5], &told[5..]],
        );
    }

    #[test]
    fn a_payload_is_told_by_the_latest_image() {
        row_of_one(JobImages::Payload, "LATEST");
    }

    #[test]
    fn a_source_alone_is_told_by_the_latest_image() {
        row_of_one(JobImages::UpgradeFrom, "LATEST");
    }

    #[test]
    fn a_target_alone_is_told_by_the_target_image() {
        row_of_one(JobImages::UpgradeTo, "TARGET");
    }

    #[test]
    fn source_and_target_are_told_by_both() {
        row(
            |arch| JobImages::Upgrade { from: stable("4.20.1", arch), to: stable("4.20.9", arch) },
            [
                &[("LATEST", "4.20.1"), ("TARGET", "4.20.9")],
                &[("ARM64_LATEST", "4.20.1"), ("ARM64_TARGET", "4.20.9")],
                &[("LATEST", "base"), ("ARM64_LATEST", "4.20.1"), ("ARM64_TARGET", "4.20.9")],
                &[("MULTI_LATEST", "4.20.1"), ("MULTI_TARGET", "4.20.9")],
                &[("PPC64LE_LATEST", "4.20.1"), ("PPC64LE_TARGET", "4.20.9")],
                &[("S390X_LATEST", "4.20.1"), ("S390X_TARGET", "4.20.9")],
            ],
        );
    }

    #[test]
    fn the_upgrade_wins_over_a_payload_and_says_so() {
        let (p, f, t) = (Some("p"), Some("f"), Some("t"));
        assert_eq!(JobImages::of_options(p, f, None), Ok((JobImages::UpgradeFrom("f".into()), true)));
        assert_eq!(JobImages::of_options(p, None, t), Ok((JobImages::UpgradeTo("t".into()), true)));
        assert_eq!(JobImages::of_options(p, None, None), Ok((JobImages::Payload("p".into()), false)));
        let both = JobImages::Upgrade { from: "f".into(), to: "t".into() };
        assert_eq!(JobImages::of_options(None, f, t), Ok((both, false)));
    }

    #[test]
    fn all_three_are_refused() {
        assert_eq!(
            JobImages::of_options(Some("p"), Some("f"), Some("t")),
            Err(ImagesError::PayloadAndUpgrade)
        );
    }

    #[test]
    fn nothing_given_sets_nothing() {
        let (images, ignored) = JobImages::of_options(None, None, None).unwrap();
        assert!(!ignored && Column::ALL.into_iter().all(|column| set(&images, column).is_empty()));
    }

    #[test]
    fn every_cell_of_the_table_is_there_once() {
        for given in [Given::Payload, Given::From, Given::To, Given::FromAndTo] {
            for column in Column::ALL {
                assert_eq!(TABLE.iter().filter(|(row, of, _)| *row == given && *of == column).count(), 1);
            }
        }
    }

    #[test]
    fn the_build_and_the_architecture_decide_and_not_the_image() {
        let column = |build: &str, arch| Column::of_build(&build.parse().unwrap(), arch);
        assert_eq!(column("4.20.0-0.nightly-multi-2026-07-01-161907", Arch::Multi), Column::Multi);
        assert_eq!(column("4.20.0-0.nightly-arm64-2026-07-01-161907", Arch::Arm64), Column::Arm64Nightly);
        assert_eq!(column("4.20.0-ec.3", Arch::Arm64), Column::Arm64Stable);
        assert_eq!(column("4.20.1", Arch::S390x), Column::S390x);
        let images = JobImages::Payload(MULTI_NIGHTLY.into());
        assert_eq!(
            set(&images, Column::Multi),
            [("RELEASE_IMAGE_MULTI_LATEST".into(), MULTI_NIGHTLY.into())]
        );
    }

    #[test]
    fn images_alone_decide_by_their_names() {
        let one = |image: &str| Column::of_images(&JobImages::Payload(image.into()));
        assert_eq!(one(&stable("4.20.1", "x86_64")), Column::Amd64);
        assert_eq!(one(&stable("4.20.1", "aarch64")), Column::Arm64Stable);
        assert_eq!(one(NIGHTLY_ARM), Column::Arm64Nightly);
        assert_eq!(one(MULTI_NIGHTLY), Column::Multi);
        assert_eq!(one(&stable("4.20.1", "multi")), Column::Multi);
        assert_eq!(one(&stable("4.20.1", "ppc64le")), Column::Ppc64le);
        assert_eq!(one(&stable("4.20.1", "s390x")), Column::S390x);
        let two = |from: &str, to: &str| {
            Column::of_images(&JobImages::Upgrade { from: from.into(), to: to.into() })
        };
        assert_eq!(two(&stable("4.20.1", "aarch64"), NIGHTLY_ARM), Column::Arm64Nightly, "either is nightly");
        assert_eq!(
            two(&stable("4.20.1", "aarch64"), &stable("4.20.2", "x86_64")),
            Column::Amd64,
            "both must say so"
        );
        assert_eq!(Column::of_images(&JobImages::Configured), Column::Amd64);
        let both = stable("4.20.1", "multi-aarch64");
        assert_eq!(one(&both), Column::Multi);
        assert_eq!(Column::of_images(&JobImages::UpgradeTo(both.clone())), Column::Arm64Stable);
        assert_eq!(two(&both, &stable("4.20.2", "multi")), Column::Multi, "the word that is in both");
    }

    #[test]
    fn the_base_image_has_the_version_of_the_tag_or_is_refused() {
        assert_eq!(base_image(&stable("4.20.0-ec.3", "aarch64")), Ok(stable("4.20.0-ec.3", "x86_64")));
        assert_eq!(base_image(&stable("4.20.1", "aarch64")), Ok(stable("4.20.1", "x86_64")));
        for bad in
            [MULTI_NIGHTLY, "quay.io/x/y:latest", "quay.io/x/y", "", "quay.io/x/y:4.20.1-aarch64@sha256:01"]
        {
            let error = base_image(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("-aarch64"), "{error}");
        }
    }

    #[test]
    fn a_nightly_is_upgraded_to_from_the_stable_build_that_the_job_names() {
        let nightly: BuildName = "4.2.0-0.nightly-2026-07-01-161907".parse().unwrap();
        let job = |name: &str, upgrade| TestJob { upgrade, ..TestJob::required(name) };
        let from_own = job("release-4.2-stable-4.2-upgrade-from-stable-4.2-aws", true);
        let images = |job: &TestJob, build: &BuildName| JobImages::of_job(job, build, "new", Some("old"));
        assert_eq!(images(&from_own, &nightly), JobImages::Upgrade { from: "old".into(), to: "new".into() });
        assert_eq!(JobImages::of_job(&from_own, &nightly, "new", None), JobImages::UpgradeTo("new".into()));
        for other in ["upgrade-from-stable-4.1-aws", "upgrade-from-stable-4.20-aws", "upgrade-from-4.2"] {
            assert_eq!(images(&job(other, true), &nightly), JobImages::UpgradeTo("new".into()), "{other}");
        }
        assert!(upgrades_from_stable(&job("upgrade-from-stable-4.2", true), &nightly));
        let release: BuildName = "4.2.1".parse().unwrap();
        assert_eq!(images(&from_own, &release), JobImages::UpgradeTo("new".into()), "only nightlies");
        let not_flagged = job("upgrade-from-stable-4.2-aws", false);
        assert_eq!(images(&not_flagged, &nightly), JobImages::Payload("new".into()));
    }

    #[test]
    fn release_images_are_read_as_a_whole() {
        let image: ReleaseImage = stable("4.20.0-rc.1", "x86_64").parse().unwrap();
        assert_eq!(image.release, YStream::new(4, 20));
        for bad in [
            stable("4.20.1", "aarch64"),
            stable("4.20", "x86_64"),
            format!("x{}", stable("4.20.1", "x86_64")),
        ] {
            assert!(bad.parse::<ReleaseImage>().is_err(), "{bad}");
        }
    }
}
