use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::config::ConfigError;
use crate::error::{Classified, ErrorClass, ServiceError};
use crate::store::StoreError;

/// Why a job could not be started or read. Cheap to clone: one failure may concern several jobs.
#[derive(Debug, Clone)]
pub struct JobError {
    class: ErrorClass,
    message: String,
    hint: Option<String>,
    /// The underlying error.
    told: Option<Arc<dyn StdError + Send + Sync>>,
}

impl JobError {
    pub(super) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, told: None }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, message)
    }

    fn of(error: impl Classified + Send + Sync + 'static) -> Self {
        let (class, message, hint) = (error.class(), error.to_string(), error.hint());
        Self { class, message, hint, told: Some(Arc::new(error)) }
    }

    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with its subject, unless it has one already.
    #[must_use]
    pub(super) fn about(mut self, subject: &str) -> Self {
        if !self.message.contains(subject) {
            self.message = format!("{subject}: {}", self.message);
        }
        self
    }

    /// The same, as one of several.
    #[must_use]
    pub(super) fn prefixed(self, subject: &str) -> Self {
        let message = format!("{subject}: {}", self.message);
        Self { message, ..self }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for JobError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.told.as_ref().and_then(|error| error.source())
    }
}

impl Classified for JobError {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<ServiceError> for JobError {
    fn from(error: ServiceError) -> Self {
        Self::of(error)
    }
}

impl From<ConfigError> for JobError {
    fn from(error: ConfigError) -> Self {
        Self::of(error)
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::of(error)
    }
}
