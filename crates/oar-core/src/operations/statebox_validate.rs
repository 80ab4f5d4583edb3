//! `statebox validate`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::files::{Content, File};
use super::row::{About, Conclusion, Operation, Program};
use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::redact::Redactor;
use crate::statebox::check::{decode, validate_text};
use crate::statebox::{Diagnostic, Diagnostics, Severity};

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct StateboxValidate {
    /// StateBox files; in one with a release's name (4.19.1.yaml) the key `release` must be that release
    pub files: Vec<File>,
}

/// The findings.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The files, in the order of the arguments.
    pub files: Vec<Validated>,
}

/// The findings for one file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Validated {
    /// The file.
    pub file: String,
    /// Whether all programs that share it can read it.
    pub valid: bool,
    /// Its findings.
    pub problems: Vec<Finding>,
    /// Why the file cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// One finding.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Finding {
    /// The line; 0 for the whole file.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// The field, such as `tasks[3].status`; empty for the whole file.
    pub field: String,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What is wrong, what was expected, and an example.
    pub message: String,
}

impl Finding {
    /// All findings of a file.
    pub fn all(diagnostics: &Diagnostics, redactor: &Redactor) -> Vec<Self> {
        diagnostics.iter().map(|diagnostic| Self::of(diagnostic, redactor)).collect()
    }

    fn of(diagnostic: &Diagnostic, redactor: &Redactor) -> Self {
        Self {
            line: diagnostic.position.line,
            column: diagnostic.position.column,
            field: diagnostic.field.clone(),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: redactor.redact(&diagnostic.message).into_owned(),
        }
    }
}

impl Conclusion for Answer {
    /// A file that cannot be read takes precedence over a finding.
    fn class(&self) -> Option<ErrorClass> {
        if self.files.iter().any(|file| file.unreadable.is_some()) {
            return Some(ErrorClass::Usage);
        }
        self.files.iter().any(|file| !file.valid).then_some(ErrorClass::Failed)
    }
}

impl Operation for StateboxValidate {
    const ABOUT: About =
        About::look("statebox validate", "Check StateBox files and name the line and field of each problem")
            .named(Program::Oarctl)
            .hints(&["`oar status` reads the StateBox of a release and says when it cannot be understood."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let validated = |File { name: file, content: Content(content) }: File| match content {
            Err(reason) => Validated { file, valid: false, problems: Vec::new(), unreadable: Some(reason) },
            Ok(bytes) => {
                let named = Path::new(&file).file_stem().and_then(|stem| stem.to_str()?.parse().ok());
                let found =
                    decode(bytes).map_or_else(|found| found, |text| validate_text(&text, named.as_ref()));
                let problems = Finding::all(&found, call.redactor());
                Validated { file, valid: !found.has_errors(), problems, unreadable: None }
            }
        };
        Ok(Answer { files: self.files.into_iter().map(validated).collect() })
    }
}
