//! Problems of a file in the repository, with their places.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Classified, ErrorClass};

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is usable, but should be checked.
    Warning,
    /// The file is not used until this is fixed.
    Error,
}

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// The name of the file.
    pub file: String,
    /// The entry and its field, such as `nightly[2] (periodic-ci-x).retries`; empty when it concerns the
    /// whole file.
    pub place: String,
    /// What is wrong, what was expected, and an example.
    pub message: String,
    /// Its severity.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.file)?;
        if !self.place.is_empty() {
            write!(formatter, "{}: ", self.place)?;
        }
        if self.severity == Severity::Warning {
            formatter.write_str("warning: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// The problems of a file that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblems(Vec<Problem>);

impl FileProblems {
    /// All problems, including warnings.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for FileProblems {
    /// One line per problem.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for FileProblems {}

impl Classified for FileProblems {
    fn class(&self) -> ErrorClass {
        ErrorClass::Failed
    }

    fn hint(&self) -> Option<String> {
        self.0.first().map(|problem| format!("Repair {} and run the same command again.", problem.file))
    }
}

/// Collects the problems of one file.
#[derive(Debug)]
pub(super) struct Findings {
    file: String,
    problems: Vec<Problem>,
}

impl Findings {
    pub(super) fn of(file: impl fmt::Display) -> Self {
        Self { file: file.to_string(), problems: Vec::new() }
    }

    pub(super) fn error(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.push(place.into(), message.into(), Severity::Error);
    }

    pub(super) fn warn(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.push(place.into(), message.into(), Severity::Warning);
    }

    fn push(&mut self, place: String, message: String, severity: Severity) {
        /// The most problems that are reported of one file.
        const MOST: usize = 50;
        if self.problems.len() < MOST {
            self.problems.push(Problem { file: self.file.clone(), place, message, severity });
        }
    }

    pub(super) fn refuse(mut self, place: &str, message: impl Into<String>) -> FileProblems {
        self.error(place, message);
        FileProblems(self.problems)
    }

    /// The warnings if there are no errors, otherwise all problems.
    pub(super) fn finish(self) -> Result<Vec<Problem>, FileProblems> {
        if self.problems.iter().any(|problem| problem.severity == Severity::Error) {
            Err(FileProblems(self.problems))
        } else {
            Ok(self.problems)
        }
    }
}

/// The text of a file; the error says where it is not UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 text (byte {})", error.valid_up_to()))
}
