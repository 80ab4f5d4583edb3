//! What failed of several things that were done side by side, and what that makes of the whole.

use serde_json::json;

use crate::error::{Classified, ErrorClass};
use crate::flow::outcome::{TaskError, TaskOutcome};

/// One thing that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    text: String,
    class: ErrorClass,
    hint: Option<String>,
}

/// The things that failed, in their order; each keeps its next step.
///
/// The first failure of the gravest class decides the class of the whole, and its next step comes first. A fact is
/// graver than what only could not be found out: refused, then blocked, then changed by somebody else, then a wrong
/// call or configuration, and an outage last. So the whole counts as unknown only when nothing really failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures(Vec<Failure>);

/// How grave a class is; the smallest number decides.
fn gravity(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Failed => 0,
        ErrorClass::Blocked => 1,
        ErrorClass::Conflict => 2,
        ErrorClass::Usage => 3,
        ErrorClass::Configuration => 4,
        ErrorClass::Unavailable => 5,
    }
}

/// The class that decides for the whole, of those of its parts.
pub fn gravest(classes: impl IntoIterator<Item = ErrorClass>) -> Option<ErrorClass> {
    classes.into_iter().min_by_key(|class| gravity(*class))
}

impl Failures {
    /// Adds a failure, and says it in the log.
    pub fn add(&mut self, error: &TaskError) {
        let error = error.inner();
        tracing::error!("{error}");
        self.0.push(Failure { text: error.to_string(), class: error.class(), hint: error.hint() });
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What failed, a line each.
    pub fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|failure| failure.text.as_str()).collect()
    }

    fn deciding(&self) -> Option<&Failure> {
        self.0.iter().min_by_key(|failure| gravity(failure.class))
    }

    /// The class of the whole; `None` when nothing failed.
    pub fn class(&self) -> Option<ErrorClass> {
        self.deciding().map(|failure| failure.class)
    }

    /// The next steps, each once: that of the deciding failure first.
    pub fn hint(&self) -> Option<String> {
        let mut hints: Vec<&str> = Vec::new();
        for hint in self.deciding().into_iter().chain(&self.0).filter_map(|failure| failure.hint.as_deref()) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        (!hints.is_empty()).then(|| hints.join(" "))
    }

    /// For `--output json`: what failed, and its next step.
    pub fn data(&self) -> serde_json::Value {
        let entry = |failure: &Failure| json!({ "text": failure.text, "hint": failure.hint });
        self.0.iter().map(entry).collect()
    }

    /// The outcome as these failures leave it; unchanged when there are none.
    pub fn settle(&self, outcome: TaskOutcome) -> TaskOutcome {
        let Some(class) = self.class() else { return outcome };
        let outcome = outcome.failed(class, self.texts().join("; "));
        match self.hint() {
            Some(hint) => outcome.with_hint(hint),
            None => outcome,
        }
    }
}

/// A look that failed: nothing was found out, so whatever the service answered is no verdict on what was looked for.
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
    use crate::flow::outcome::Refusal;
    use crate::service::Service;

    fn refusal(class: ErrorClass, hint: &str) -> TaskError {
        Refusal::new(class, format!("{class:?}")).with_hint(hint).into()
    }

    #[test]
    fn what_really_failed_decides_over_what_could_not_be_found_out() {
        use ErrorClass::{Blocked, Configuration, Failed, Unavailable};
        for (classes, expected) in [
            (vec![Unavailable], Unavailable),
            (vec![Unavailable, Failed], Failed),
            (vec![Failed, Unavailable], Failed),
            (vec![Unavailable, Configuration, Blocked], Blocked),
            (vec![Configuration, Unavailable], Configuration),
        ] {
            let mut failures = Failures::default();
            for class in &classes {
                failures.add(&refusal(*class, "again"));
            }
            let outcome = failures.settle(TaskOutcome::pass(Vec::new()));
            assert_eq!((failures.class(), outcome.class), (Some(expected), Some(expected)), "{classes:?}");
        }
        let nothing = Failures::default();
        assert_eq!(nothing.settle(TaskOutcome::pass(Vec::new())), TaskOutcome::pass(Vec::new()));
    }

    #[test]
    fn every_failure_keeps_its_next_step_and_the_deciding_one_comes_first() {
        let mut failures = Failures::default();
        failures.add(&refusal(ErrorClass::Unavailable, "Run it again."));
        failures.add(&refusal(ErrorClass::Failed, "Name another owner."));
        failures.add(&refusal(ErrorClass::Unavailable, "Run it again."));
        failures.add(&Refusal::new(ErrorClass::Failed, "without").into());
        let outcome = failures.settle(TaskOutcome::pass(Vec::new()));
        assert_eq!(outcome.hint.as_deref(), Some("Name another owner. Run it again."));
        let reason = outcome.reason.unwrap().text;
        assert_eq!(reason, "Unavailable; Failed; Unavailable; without");
        assert_eq!(failures.data()[1], json!({"text": "Failed", "hint": "Name another owner."}));
    }

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
