//! Errors shared by all parts of the library: the failed call to a service, and the class of any failure.

use std::error::Error as StdError;
use std::fmt;

use crate::service::Service;

/// The class of a failure; it decides the exit code and what a caller may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The task failed, or a check found a problem (exit 1).
    Failed,
    /// The command was called wrongly (exit 2).
    Usage,
    /// Configuration or credentials are missing or were refused (exit 3).
    Configuration,
    /// An external service is unavailable or refused after retries; run again (exit 4).
    Unavailable,
    /// Another process changed or holds the state; nothing was written (exit 5).
    Conflict,
    /// A precondition or a blocker stands in the way (exit 6).
    Blocked,
}

impl ErrorClass {
    /// The class of a failure for a caller that only reads: missing or refused configuration (exit 3),
    /// otherwise unknown (exit 4). It is never a verdict, whatever the answer was.
    #[must_use]
    pub fn of_unknown(self) -> Self {
        match self {
            Self::Configuration => Self::Configuration,
            _ => Self::Unavailable,
        }
    }
}

/// An error with an [`ErrorClass`] and a hint for the user.
pub trait Classified: StdError {
    /// The class that decides the exit code.
    fn class(&self) -> ErrorClass;
    /// A hint for the user, as a sentence, if there is one beyond the message.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Implements [`Classified`] for an enum of errors. The variants after `through` contain another error and
/// have its class and hint; the others define their own.
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
    /// There is no credential: no token, no Kerberos ticket.
    MissingCredential,
    /// The credential was refused (401).
    Unauthorized,
    /// The credential is valid but lacks the right (403).
    Forbidden,
    /// The subject does not exist, or the service hides it (404).
    NotFound,
    /// The subject has another address now, and the request was not done under the old one (301, 307, 308).
    Moved,
    /// The subject changed since it was read (409, 412).
    Conflict,
    /// The service understood the request and refused it (400, 405, 422, …).
    Rejected,
    /// Nothing was sent, because what it is about is held.
    Held,
    /// A rate limit was still exceeded after the allowed waits (429).
    RateLimited,
    /// There was no connection, or the service is unavailable (5xx). It did not act.
    Unavailable,
    /// The request was sent but no answer arrived: the service may have acted.
    Unclear,
    /// The answer violates the protocol, or is too large.
    Malformed,
}

/// One failed call to an external service.
#[derive(Debug)]
pub struct ServiceError {
    /// The service that was called.
    pub service: Service,
    /// The operation, such as `change owner`.
    pub operation: &'static str,
    /// The subject of the operation, such as `advisory 169293`.
    pub subject: Option<String>,
    /// Why it failed.
    pub kind: ServiceErrorKind,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// Whether the call was a read. A refused read says nothing about the subject.
    pub read: bool,
    /// The service's message, redacted and shortened, or a description.
    pub detail: String,
    /// The hint for the user, if there is a better one than the kind's.
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

    /// Whether the service certainly did not do what it was asked for: it refused, or the request never reached it.
    pub fn did_not_act(&self) -> bool {
        !matches!(self.kind, ServiceErrorKind::Unclear | ServiceErrorKind::Malformed)
    }

    /// The same failure with its subject.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same failure with a hint for the user.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, which also says `other`; `words` say what the two have to do with each other.
    #[must_use]
    pub fn with_other(mut self, words: &str, other: &Self) -> Self {
        let separator = if self.detail.is_empty() { "" } else { "; " };
        self.detail = format!("{}{separator}{words}: {other}", self.detail);
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
            ServiceErrorKind::Held => "held",
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
            // The content is unknown, so it is never a verdict.
            ServiceErrorKind::Rejected | ServiceErrorKind::Conflict if self.read => ErrorClass::Unavailable,
            ServiceErrorKind::MissingCredential
            | ServiceErrorKind::Unauthorized
            | ServiceErrorKind::Forbidden
            | ServiceErrorKind::Moved => ErrorClass::Configuration,
            ServiceErrorKind::Rejected => ErrorClass::Failed,
            ServiceErrorKind::Held => ErrorClass::Blocked,
            ServiceErrorKind::Conflict => ErrorClass::Conflict,
            // Services answer so also for what this account may not see, and so does whatever stands before one that is
            // down. A client that knows an absence for certain answers with `None`.
            ServiceErrorKind::NotFound
            | ServiceErrorKind::RateLimited
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
            ServiceErrorKind::Rejected | ServiceErrorKind::Conflict if self.read => Some(format!(
                "Run the same command again. If the answer stays the same, check what answers at the address of {} (a \
                 proxy, a wrong endpoint).",
                self.service
            )),
            ServiceErrorKind::Rejected => Some(format!(
                "Correct what {} refuses, and run the same command again: it does nothing twice.",
                self.service
            )),
            ServiceErrorKind::Conflict => {
                Some("Run the same command again: it looks at what is there now.".into())
            }
            ServiceErrorKind::Held => Some("Run the same command again when it is not held any more.".into()),
            ServiceErrorKind::NotFound => Some(format!(
                "Check that it exists at {} and that the credential may see it; then run the same command again.",
                self.service
            )),
            ServiceErrorKind::Moved => {
                Some(format!("Set the new address of {} in the configuration.", self.service))
            }
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
    fn every_failure_of_a_service_that_answers_has_a_next_step() {
        for kind in [
            ServiceErrorKind::NotFound,
            ServiceErrorKind::Moved,
            ServiceErrorKind::Conflict,
            ServiceErrorKind::Rejected,
            ServiceErrorKind::Held,
            ServiceErrorKind::RateLimited,
            ServiceErrorKind::Unavailable,
            ServiceErrorKind::Unclear,
            ServiceErrorKind::Malformed,
        ] {
            for service in Service::ALL {
                for read in [true, false] {
                    let error = ServiceError { read, ..ServiceError::new(service, "read", kind, "") };
                    assert!(error.hint().is_some(), "{kind:?} of {service}");
                }
            }
        }
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
            (ServiceErrorKind::NotFound, 404),
        ] {
            assert_eq!(read(kind, status), ErrorClass::Unavailable, "{status}");
        }
    }
}
