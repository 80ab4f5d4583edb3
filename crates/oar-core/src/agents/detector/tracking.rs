//! The tracking files `_releases/<X.Y>/<X.Y>.z.yaml`, which ART's promotion writes (spec 05 §2, 4).

use std::collections::BTreeSet;

use crate::version::{ReleaseVersion, YStream};
use crate::yaml::{self, Node, YamlError};

/// Why a tracking file cannot be used. It does not mean that no release is announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTracking {
    /// It is not YAML, or too large.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// It has another structure.
    #[error("{0}, expected a mapping of releases under `releases` (for example releases: {{4.19.1: {{…}}}})")]
    Shape(String),
}

/// The announced releases of a y-stream. "Announced" means that their promotion has started: the payload is
/// built and signed, but the release controller may not have accepted it yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    releases: BTreeSet<ReleaseVersion>,
    ignored: Vec<String>,
}

impl Announced {
    /// Reads the tracking file of `stream`.
    ///
    /// Keys that are not releases of the stream are ignored, because old revisions have some; they are in
    /// [`Self::ignored`], because one may be a release with a typing error. The content of a release is not
    /// checked, because its kinds of advisories differ by flow and change later.
    ///
    /// # Errors
    ///
    /// The file is not a mapping with `releases`, as in a few old revisions. An empty mapping is a stream
    /// without releases.
    pub fn read(text: &str, stream: YStream) -> Result<Self, InvalidTracking> {
        let root = yaml::parse_outside(text)?;
        let shape = |node: &Node, of: &str| InvalidTracking::Shape(format!("{of} is {}", node.describe()));
        let mapping = root.as_mapping().ok_or_else(|| shape(&root, "it"))?;
        let releases = mapping
            .get("releases")
            .ok_or_else(|| InvalidTracking::Shape("it has no key `releases`".to_owned()))?;
        let entries = releases.as_mapping().ok_or_else(|| shape(releases, "`releases`"))?;
        let mut announced = Self::default();
        for (key, _) in entries.iter() {
            let version = key.as_text().and_then(|text| text.parse::<ReleaseVersion>().ok());
            match version.filter(|version| version.y_stream() == stream) {
                Some(version) => {
                    announced.releases.insert(version);
                }
                None => announced.ignored.push(key.describe()),
            }
        }
        Ok(announced)
    }

    /// The keys that are no releases of the stream, described for messages, in the order of the file.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The newest release.
    pub fn newest(&self) -> Option<&ReleaseVersion> {
        self.releases.last()
    }

    /// All releases, oldest first.
    pub fn releases(&self) -> impl DoubleEndedIterator<Item = &ReleaseVersion> {
        self.releases.iter()
    }

    /// The releases that are newer than `other`, oldest first.
    pub fn newer_than<'a>(&'a self, other: &'a ReleaseVersion) -> impl Iterator<Item = &'a ReleaseVersion> {
        self.releases.iter().filter(move |release| *release > other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: YStream = YStream::new(4, 20);

    fn read(text: &str) -> Vec<String> {
        Announced::read(text, STREAM).unwrap().releases().map(ToString::to_string).collect()
    }

    #[test]
    fn releases_come_in_the_order_of_versions_whatever_their_advisories() {
        let text = "\
releases:
  4.20.10:
    advisories: {rpm: 150001, rhcos: 150002, microshift: 150003}
    release_jira: ART-1
  4.20.9:
    advisories: {image: 1, metadata: 2, extras: 3, rpm: 4}
  4.20.2:
";
        assert_eq!(read(text), ["4.20.2", "4.20.9", "4.20.10"]);
        assert_eq!(Announced::read(text, STREAM).unwrap().newest().unwrap().to_string(), "4.20.10");
    }

    #[test]
    fn a_stream_may_have_no_releases() {
        assert_eq!(read("releases: {}\n"), Vec::<String>::new());
        assert_eq!(Announced::read("releases: {}\n", STREAM).unwrap().newest(), None);
    }

    #[test]
    fn keys_that_are_no_releases_of_the_stream_are_left_out_and_named() {
        let text =
            "releases:\n  4.20.1: {}\n  notes: {}\n  4.20: {}\n  4.21.1: {}\n  [a]: {}\n  '4.20.2': {}\n";
        assert_eq!(read(text), ["4.20.1", "4.20.2"]);
        let announced = Announced::read(text, STREAM).unwrap();
        assert_eq!(
            announced.ignored(),
            ["the text `notes`", "the number `4.20`", "the text `4.21.1`", "a list"]
        );
        for typo in ["v4.20.2", "'4.20.2.'", "4.20.2x", "4.20.02", "'4.20.2 '", "4.20.99999999999999999999"] {
            let announced = Announced::read(&format!("releases: {{{typo}: {{}}}}\n"), STREAM).unwrap();
            assert_eq!((announced.newest(), announced.ignored().len()), (None, 1), "{typo}");
        }
    }

    #[test]
    fn a_file_that_is_no_mapping_could_not_be_read() {
        for (text, words) in [
            ("", "expected a mapping of releases"),
            ("4.20.1 is out", "it is the text"),
            ("- 4.20.1\n", "it is a list"),
            ("release: {}\n", "it has no key `releases`"),
            ("releases: 4.20.1\n", "`releases` is the text `4.20.1`"),
            ("releases:\n", "`releases` is"),
            ("releases: [4.20.1]\n", "`releases` is a list"),
            ("<html>", "it is the text"),
        ] {
            let error = Announced::read(text, STREAM).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        assert!(matches!(Announced::read("a: [", STREAM), Err(InvalidTracking::Yaml(_))));
    }
}
