use super::build::{Build, BuildError};
use crate::prow::names::LatestName;

/// The recorded latest build of a stream: the release controller's answer, unchanged (spec 04 §6.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestFile {
    name: LatestName,
    body: String,
    build: Build,
}

impl LatestFile {
    /// Parses a file or an answer: `body` is kept to the byte.
    pub fn parse(name: LatestName, body: &str) -> Result<Self, BuildError> {
        Ok(Self { name, body: body.to_owned(), build: Build::parse(body)? })
    }

    /// The file's name.
    pub fn name(&self) -> LatestName {
        self.name
    }

    /// The build.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// The file as it is written.
    pub fn text(&self) -> &str {
        &self.body
    }
}
