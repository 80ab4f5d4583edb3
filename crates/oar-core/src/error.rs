//! Errors that every part of the library shares: the failed call to a service, and the class of any failure.

use std::error::Error as StdError;
use std::fmt;

use crate::service::Service;

/// The class of a failure; it decides the exit code and what a caller may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The task failed, or a check found what it looks for (exit 1).
    Failed,
    /// The command was called wrongly (exit 2).
    Usage,
    /// Configuration or credentials are missing or were refused (exit 3).
    Configuration,
    /// An external service is unavailable or refused after retries; run again (exit 4).
    Unavailable,
    /// Somebody else changed or holds the state; nothing was written (exit 5).
    Conflict,
    /// A precondition or a blocker stands in the way (exit 6).
    Blocked,
}

impl ErrorClass {
    /// What a failure of this class means for somebody who only wanted to know something: configuration that is
    /// missing or refused (exit 3), otherwise nobody knows (exit 4). It is never a verdict, whatever was answered.
    #[must_use]
    pub fn of_unknown(self) -> Self {
        match self {
            Self::Configuration => Self::Configuration,
            _ => Self::Unavailable,
        }
    }
}

/// An error that knows its [`ErrorClass`] and what the user can do next.
pub trait Classified: StdError {
    /// The class that decides the exit code.
    fn class(&self) -> ErrorClass;
    /// The next step, as a sentence, where there is one better than reading the message.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Implements [`Classified`] for an enum of errors. The variants after `through` carry another error and have its class and
/// its next step; the others say their own.
macro_rules! classified {
    ($error:ident through $($through:ident)+; class { $($class:tt)* } hint { $($hint:tt)* }) => {
        impl $crate::error::Classified for $error {
            fn class(&self) -> $crate::error::ErrorClass {
                match self {
                    $(Self::$through(error) => error.class(),)+
                    $($class)*
                }
            }

            fn hint(&self) -> Option<String> {
                match self {
                    $(Self::$through(error) => error.hint(),)+
                    $($hint)*
                }
            }
        }
    };
}
pub(crate) use classified;

/// Why one call to an external service failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceErrorKind {
    /// No credential to call with: no token, no Kerberos ticket.
    MissingCredential,
    /// The credential was refused (401).
    Unauthorized,
    /// The credential is good but lacks the right (403).
    Forbidden,
    /// The subject does not exist, or the service hides it (404).
    NotFound,
    /// The subject has another address now, and what was asked is not done under the old one (301, 307, 308).
    Moved,
    /// The subject changed since it was read (409, 412).
    Conflict,
    /// The service understood the request and refused it (400, 405, 422, …).
    Rejected,
    /// A rate limit was still in force after the waits that we allow ourselves (429).
    RateLimited,
    /// No connection, or the service answered that it cannot serve now (5xx). It did not act.
    Unavailable,
    /// The request was sent but its answer never came: the service may have acted.
    Unclear,
    /// The answer is not what the protocol promises, or is too large.
    Malformed,
}

/// One failed call to an external service.
#[derive(Debug)]
pub struct ServiceError {
    /// The service that was called.
    pub service: Service,
    /// What was asked of it, such as `change owner`.
    pub operation: &'static str,
    /// What it was about, such as `advisory 169293`.
    pub subject: Option<String>,
    /// Why it failed.
    pub kind: ServiceErrorKind,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// Whether something was only to be read. A refusal of that says nothing about the subject.
    pub read: bool,
    /// The service's own words, redacted and cut, or ours.
    pub detail: String,
    /// The next step for the user, where this error knows a better one than its kind does.
    pub hint: Option<String>,
    /// The underlying cause.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ServiceError {
    /// A failure of `operation` on `service`.
    pub fn new(
        service: Service,
        operation: &'static str,
        kind: ServiceErrorKind,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            service,
            operation,
            subject: None,
            kind,
            status: None,
            read: false,
            detail: detail.into(),
            hint: None,
            source: None,
        }
    }

    /// The same failure, naming what it was about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same failure, with a next step for the user.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, with its HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same failure, with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: cannot {}", self.service, self.operation)?;
        if let Some(subject) = &self.subject {
            write!(formatter, " ({subject})")?;
        }
        let reason = match self.kind {
            ServiceErrorKind::MissingCredential => "credential missing",
            ServiceErrorKind::Unauthorized => "credential refused",
            ServiceErrorKind::Forbidden => "not permitted",
            ServiceErrorKind::NotFound => "not found",
            ServiceErrorKind::Moved => "moved",
            ServiceErrorKind::Conflict => "changed by somebody else",
            ServiceErrorKind::Rejected => "refused",
            ServiceErrorKind::RateLimited => "rate limit",
            ServiceErrorKind::Unavailable => "unavailable",
            ServiceErrorKind::Unclear => "no answer, it may have acted",
            ServiceErrorKind::Malformed => "unexpected answer",
        };
        write!(formatter, ": {reason}")?;
        if let Some(status) = self.status {
            write!(formatter, " (HTTP {status})")?;
        }
        if !self.detail.is_empty() {
            write!(formatter, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl StdError for ServiceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Classified for ServiceError {
    fn class(&self) -> ErrorClass {
        match self.kind {
            // Nobody knows what would have been read: never a verdict.
            ServiceErrorKind::Rejected | ServiceErrorKind::Conflict if self.read => ErrorClass::Unavailable,
            ServiceErrorKind::NotFound if self.read && self.status != Some(404) => ErrorClass::Unavailable,
            ServiceErrorKind::MissingCredential
            | ServiceErrorKind::Unauthorized
            | ServiceErrorKind::Forbidden
            | ServiceErrorKind::Moved => ErrorClass::Configuration,
            ServiceErrorKind::NotFound | ServiceErrorKind::Rejected => ErrorClass::Failed,
            ServiceErrorKind::Conflict => ErrorClass::Conflict,
            ServiceErrorKind::RateLimited
            | ServiceErrorKind::Unavailable
            | ServiceErrorKind::Unclear
            | ServiceErrorKind::Malformed => ErrorClass::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        if self.hint.is_some() {
            return self.hint.clone();
        }
        match self.kind {
            ServiceErrorKind::Unavailable | ServiceErrorKind::RateLimited => {
                Some(format!("Run the same command again when {} answers.", self.service))
            }
            ServiceErrorKind::Unclear => Some(
                "Run the same command again: it looks first at what was done and does nothing twice.".into(),
            ),
            ServiceErrorKind::Malformed => Some(format!(
                "Run the same command again. If the answer stays the same, check what answers at the address of {} (a \
                 proxy, a wrong endpoint).",
                self.service
            )),
            ServiceErrorKind::MissingCredential | ServiceErrorKind::Unauthorized => {
                let credential = self.service.credential()?;
                Some(format!("Renew the credential of {}: {credential}.", self.service))
            }
            ServiceErrorKind::Forbidden => {
                let credential = self.service.credential()?;
                Some(format!(
                    "Ask for the right at {}, or use a credential that has it: {credential}.",
                    self.service
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_error_names_service_operation_subject_and_reason() {
        let error =
            ServiceError::new(Service::Errata, "change owner", ServiceErrorKind::Rejected, "no such user")
                .about("advisory 169293")
                .with_status(422);
        assert_eq!(
            error.to_string(),
            "Errata Tool: cannot change owner (advisory 169293): refused (HTTP 422): no such user"
        );
        assert_eq!(error.class(), ErrorClass::Failed);
    }

    #[test]
    fn what_could_only_not_be_read_is_never_a_verdict() {
        let read = |kind, status| {
            let error = ServiceError::new(Service::Errata, "read advisory", kind, "").with_status(status);
            ServiceError { read: true, ..error }.class()
        };
        for (kind, status) in [
            (ServiceErrorKind::Rejected, 422),
            (ServiceErrorKind::Conflict, 409),
            (ServiceErrorKind::NotFound, 410),
        ] {
            assert_eq!(read(kind, status), ErrorClass::Unavailable, "{status}");
        }
        assert_eq!(read(ServiceErrorKind::NotFound, 404), ErrorClass::Failed);
    }
}
