use std::error::Error as StdError;

use oar_core::error::{Classified, ErrorClass};
use oar_core::flow::outcome::TaskError;
use serde::Serialize;

use crate::ExitCode;

/// An error as the command line shows it: what failed, why, what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CliError {
    /// The exit code.
    #[serde(skip)]
    pub code: ExitCode,
    /// What failed.
    pub message: String,
    /// The causes, from the nearest to the first; causes that the message already contains are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The hint for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl CliError {
    /// An error of the given class without a cause.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { code: class.into(), message: message.into(), causes: Vec::new(), hint: None }
    }

    /// A wrong call of the program.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, message)
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl CliError {
    /// The error that ended an operation or a task.
    pub fn of_task(error: &TaskError) -> Self {
        Self::of(error.inner())
    }

    fn of(error: &dyn Classified) -> Self {
        let message = error.to_string();
        let mut causes: Vec<String> = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many libraries repeat their cause in their own text.
            if !message.contains(&text) && !causes.iter().any(|known| known.contains(&text)) {
                causes.push(text);
            }
            source = StdError::source(cause);
        }
        Self { code: error.class().into(), message, causes, hint: error.hint() }
    }
}

impl<E: Classified> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oar_core::error::{ServiceError, ServiceErrorKind};
    use oar_core::service::Service;

    #[test]
    fn a_service_error_keeps_its_class_hint_and_new_causes() {
        let error =
            ServiceError::new(Service::Jira, "read issue", ServiceErrorKind::Unavailable, "no connection")
                .with_source(std::io::Error::other("connection refused"));
        let shown = CliError::from(error);
        assert_eq!(shown.code, ExitCode::Unavailable);
        assert_eq!(shown.causes, ["connection refused"]);
        assert!(shown.hint.is_some());
    }
}
