//! The supported y-streams: one list, in `config/versions.yaml`.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::ConfigError;
use crate::version::{ReleaseVersion, YStream};
use crate::yaml;

/// The list that is built into the programs.
const BUILT_IN: &str = include_str!("../../../../config/versions.yaml");
/// The name of the file beside the configuration document that replaces it.
const FILE_NAME: &str = "versions.yaml";

/// The supported y-streams, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedVersions {
    streams: Vec<YStream>,
}

impl SupportedVersions {
    /// The list that is built in.
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::parse(BUILT_IN, "the built-in versions.yaml")
    }

    /// The list beside the configuration document `document`, otherwise the built-in one.
    pub fn beside(document: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = document.and_then(Path::parent).map(|directory| directory.join(FILE_NAME)) else {
            return Self::built_in();
        };
        match super::files::read_text("the list of supported versions", &path, 64 * 1024) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(ConfigError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Self::built_in()
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a list; `origin` names it in errors, which also name the line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let read = yaml::parse_outside(text).and_then(|root| (&root).deserialize_map(FileVisitor));
        let streams = read.map_err(|error| ConfigError::BadVersions {
            origin: origin.into(),
            problem: format!("line {}: {}", error.position.line, error.message),
        })?;
        Ok(Self { streams })
    }

    /// The supported y-streams, oldest first.
    pub fn streams(&self) -> &[YStream] {
        &self.streams
    }

    /// Whether `stream` is supported.
    pub fn supports(&self, stream: YStream) -> bool {
        self.streams.contains(&stream)
    }

    /// Refuses a y-stream that is not supported, naming those that are.
    pub fn check_stream(&self, stream: YStream) -> Result<(), ConfigError> {
        if self.supports(stream) {
            return Ok(());
        }
        Err(ConfigError::UnsupportedStream { stream, supported: self.to_string() })
    }

    /// Refuses a release whose y-stream is not supported, naming those that are.
    pub fn check(&self, release: &ReleaseVersion) -> Result<(), ConfigError> {
        let stream = release.y_stream();
        if self.supports(stream) {
            return Ok(());
        }
        let supported = self.to_string();
        Err(ConfigError::Unsupported { release: release.clone(), stream, supported })
    }
}

impl fmt::Display for SupportedVersions {
    /// The y-streams, comma-separated; three or more consecutive ones as `4.12 … 4.22`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<(YStream, YStream)> = Vec::new();
        for stream in &self.streams {
            match groups.last_mut() {
                Some((_, last)) if last.major() == stream.major() && last.minor() + 1 == stream.minor() => {
                    *last = *stream;
                }
                _ => groups.push((*stream, *stream)),
            }
        }
        for (index, (first, last)) in groups.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match last.minor() - first.minor() {
                0 => write!(formatter, "{comma}{first}")?,
                1 => write!(formatter, "{comma}{first}, {last}")?,
                _ => write!(formatter, "{comma}{first} … {last}")?,
            }
        }
        Ok(())
    }
}

/// The file: a mapping with the one key `y_streams`.
struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = Vec<YStream>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping with the key `y_streams`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Vec<YStream>, A::Error> {
        let mut streams = None;
        while let Some(key) = access.next_key::<String>()? {
            match key.as_str() {
                "y_streams" if streams.is_none() => streams = Some(access.next_value_seed(StreamList)?),
                "y_streams" => return Err(de::Error::custom("`y_streams` occurs twice")),
                other => {
                    return Err(de::Error::custom(format!("unknown key `{other}`, expected `y_streams`")));
                }
            }
        }
        streams.ok_or_else(|| de::Error::custom("no key `y_streams`"))
    }
}

struct StreamList;

impl<'de> de::DeserializeSeed<'de> for StreamList {
    type Value = Vec<YStream>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<YStream>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for StreamList {
    type Value = Vec<YStream>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of y-streams (for example [\"4.19\", \"5.0\"])")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<YStream>, A::Error> {
        let mut streams = Vec::new();
        while let Some(stream) = access.next_element_seed(Entry { earlier: &streams })? {
            streams.push(stream);
        }
        if streams.is_empty() {
            return Err(de::Error::custom("`y_streams` is empty"));
        }
        Ok(streams)
    }
}

/// One entry, checked while parsing so that the error has its line.
struct Entry<'a> {
    earlier: &'a [YStream],
}

impl<'de> de::DeserializeSeed<'de> for Entry<'_> {
    type Value = YStream;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<YStream, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Entry<'_> {
    type Value = YStream;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a y-stream in quotes (for example \"4.19\" or \"5.0\")")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<YStream, E> {
        let stream: YStream = text.parse().map_err(E::custom)?;
        match self.earlier.last() {
            _ if self.earlier.contains(&stream) => Err(E::custom(format!("{stream} occurs twice"))),
            Some(last) if *last > stream => {
                Err(E::custom(format!("{stream} comes after {last}; the oldest must come first")))
            }
            _ => Ok(stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Classified, ErrorClass};

    fn parse(entries: &str) -> Result<SupportedVersions, ConfigError> {
        SupportedVersions::parse(&format!("# made up\ny_streams:\n{entries}"), "versions.yaml")
    }

    #[test]
    fn the_built_in_list_is_valid_and_complete() {
        let versions = SupportedVersions::built_in().unwrap();
        assert_eq!(versions.to_string(), "4.12 … 4.22, 5.0");
        assert_eq!(versions.streams().len(), 12);
        for release in ["4.12.90", "4.22.0-rc.0", "5.0.0-ec.3"] {
            versions.check(&release.parse().unwrap()).unwrap();
        }
    }

    #[test]
    fn an_unsupported_release_names_what_is_supported() {
        let error = SupportedVersions::built_in().unwrap().check(&"4.11.3".parse().unwrap()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().contains("4.12 … 4.22, 5.0"), "{error}");
        assert!(error.hint().unwrap().contains("config/versions.yaml"));
    }

    #[test]
    fn every_mistake_names_its_line() {
        for (entries, words) in [
            ("  - \"4.19\"\n  - 4.20\n", "line 4"),
            ("  - \"4.19\"\n  - \"4.19\"\n", "line 4: 4.19 occurs twice"),
            ("  - \"4.19\"\n  - \"4.18\"\n", "line 4: 4.18 comes after 4.19; the oldest must come first"),
            ("  - \"4.x\"\n", "`4.x` is not a y-stream"),
            ("  - \"4.19.1\"\n", "line 3"),
            ("  - [\"4.19\"]\n", "line 3"),
            ("  []\n", "empty"),
            ("  - \"4.19\"\nother: 1\n", "unknown key `other`"),
        ] {
            let error = parse(entries).unwrap_err().to_string();
            assert!(error.starts_with("versions.yaml: ") && error.contains(words), "{entries}: {error}");
        }
        assert!(SupportedVersions::parse("", "x").is_err());
        assert!(SupportedVersions::parse("{}", "x").unwrap_err().to_string().contains("no key `y_streams`"));
    }

    #[test]
    fn a_file_beside_the_document_replaces_the_built_in_list() {
        let directory = tempfile::tempdir().unwrap();
        let document = directory.path().join("config_store.json");
        assert_eq!(SupportedVersions::beside(Some(&document)).unwrap().streams().len(), 12);
        std::fs::write(directory.path().join(FILE_NAME), "y_streams: ['4.18', '4.19', '5.1']\n").unwrap();
        assert_eq!(SupportedVersions::beside(Some(&document)).unwrap().to_string(), "4.18, 4.19, 5.1");
        std::fs::write(directory.path().join(FILE_NAME), "y_streams: ['x']\n").unwrap();
        let error = SupportedVersions::beside(Some(&document)).unwrap_err().to_string();
        assert!(error.contains(&directory.path().display().to_string()), "{error}");
    }
}
