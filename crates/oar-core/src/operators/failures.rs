//! Checks that could not look.

use crate::error::{Classified, ErrorClass};
use crate::flow::outcome::TaskError;

/// A failed check: whatever the service answered, it is no verdict.
#[derive(Debug)]
struct CouldNotLook(TaskError);

impl std::fmt::Display for CouldNotLook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0.inner())
    }
}

impl std::error::Error for CouldNotLook {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.inner().source()
    }
}

impl Classified for CouldNotLook {
    fn class(&self) -> ErrorClass {
        match self.0.inner().class() {
            ErrorClass::Failed => ErrorClass::Unavailable,
            class => class,
        }
    }

    fn hint(&self) -> Option<String> {
        self.0.inner().hint()
    }
}

/// The error of a check that could not look at what it checks: a refusal of a read is unknown, and never a finding.
pub fn could_not_look(error: impl Into<TaskError>) -> TaskError {
    let error = error.into();
    if error.inner().class() == ErrorClass::Failed { CouldNotLook(error).into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ServiceError, ServiceErrorKind};
    use crate::service::Service;

    #[test]
    fn a_refused_look_is_unknown_and_keeps_its_words() {
        let error = |kind| ServiceError::new(Service::Errata, "read advisory", kind, "x").with_hint("look");
        for (kind, class) in [
            (ServiceErrorKind::NotFound, ErrorClass::Unavailable),
            (ServiceErrorKind::Rejected, ErrorClass::Unavailable),
            (ServiceErrorKind::Unauthorized, ErrorClass::Configuration),
            (ServiceErrorKind::Malformed, ErrorClass::Unavailable),
        ] {
            let looked = could_not_look(error(kind));
            assert_eq!(looked.inner().class(), class);
            assert_eq!(looked.inner().to_string(), error(kind).to_string());
            assert_eq!(looked.inner().hint().as_deref(), Some("look"));
        }
    }
}
