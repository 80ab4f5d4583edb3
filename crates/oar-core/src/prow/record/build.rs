use crate::prow::json::{Map, Value};
use crate::prow::names::BuildName;

/// A build, in the format of the release controller (spec 04 §2.2 E3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its name.
    pub name: BuildName,
    /// Its phase in the stream: `Accepted`.
    pub phase: String,
    /// Its image.
    pub pull_spec: String,
    document: Map,
}

/// The description is not a build's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(String);

impl Build {
    /// A build with these values.
    pub fn new(name: BuildName, phase: &str, pull_spec: &str, download_url: &str) -> Self {
        let document = Map::of([
            ("name", name.to_string().into()),
            ("phase", phase.into()),
            ("pullSpec", pull_spec.into()),
            ("downloadURL", download_url.into()),
        ]);
        Self { name, phase: phase.to_owned(), pull_spec: pull_spec.to_owned(), document }
    }

    /// Parses a description in JSON. Unknown keys are kept.
    pub fn parse(text: &str) -> Result<Self, BuildError> {
        let value = Value::parse(text).map_err(|error| BuildError(format!("it is not JSON: {error}")))?;
        let build = match value {
            Value::Map(document) => Self::of(document)?,
            other => return Err(BuildError(format!("a map was expected, not {}", other.kind()))),
        };
        for (key, value) in [("phase", &build.phase), ("pullSpec", &build.pull_spec)] {
            if value.is_empty() {
                return Err(BuildError(format!("`{key}` is missing")));
            }
        }
        Ok(build)
    }

    /// The build in a map of a record; old records may have little more than its name.
    pub(super) fn of(document: Map) -> Result<Self, BuildError> {
        let text = |key: &str| match document.get(key) {
            Some(Value::Text(text)) => Ok(text.get().into_owned()),
            None | Some(Value::Null) => Ok(String::new()),
            Some(other) => Err(BuildError(format!("`{key}` is {}, not a string", other.kind()))),
        };
        let name = text("name")?.parse().map_err(|error| BuildError(format!("`name`: {error}")))?;
        let (phase, pull_spec) = (text("phase")?, text("pullSpec")?);
        Ok(Self { name, phase, pull_spec, document })
    }

    /// The description as stored in files.
    pub fn document(&self) -> &Map {
        &self.document
    }
}
