//! What is wrong with a file, where, and what was expected.

use std::fmt;

use super::yaml::{Position, YamlError};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file is usable; somebody should look at this.
    Warning,
    /// The file cannot be changed before this is repaired.
    Error,
}

/// One finding about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where; line 0 when it concerns the whole file.
    pub position: Position,
    /// The field, such as `tasks[3].status`; empty when it concerns the whole file.
    pub field: String,
    /// What is wrong, what was expected, and an example.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Diagnostic {
    /// `LINE:COL: field: message`; a warning says so before its message.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.position)?;
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        if self.severity == Severity::Warning {
            formatter.write_str("warning: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// The findings about one file, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the findings is an error.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The errors alone.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// One line per finding, `FILE:LINE:COL: field: message`.
    pub fn lines<'a>(&'a self, file: &'a str) -> impl Iterator<Item = String> + 'a {
        self.0.iter().map(move |diagnostic| format!("{file}:{diagnostic}"))
    }

    pub(super) fn push(&mut self, severity: Severity, position: Position, field: &str, message: String) {
        self.0.push(Diagnostic { position, field: field.to_owned(), message, severity });
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|diagnostic| diagnostic.position);
    }
}

impl From<YamlError> for Diagnostics {
    fn from(error: YamlError) -> Self {
        let mut diagnostics = Self::default();
        diagnostics.push(Severity::Error, error.position, "", error.message);
        diagnostics
    }
}

impl fmt::Display for Diagnostics {
    /// One line per finding.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            diagnostic.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
