//! The failures of a run with several parts, and the class of the whole.

use serde::{Serialize, Serializer};

use crate::error::{Classified, ErrorClass};

/// One thing that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    text: String,
    class: ErrorClass,
    hint: Option<String>,
}

/// One thing that failed, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FailureEntry {
    /// What failed.
    pub text: String,
    /// The hint for the user.
    pub hint: Option<String>,
}

/// Failures in order, each with its hint.
///
/// The first failure of the gravest class decides the class of the whole, and its hint comes first. A known
/// failure is graver than an unknown result. The order is: failed, blocked, conflict, usage, configuration,
/// unavailable. So the whole counts as unknown only when nothing is known to have failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures(Vec<Failure>);

/// The rank of a class; the smallest number is the gravest.
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

/// The gravest of the classes, which decides for the whole.
pub fn gravest(classes: impl IntoIterator<Item = ErrorClass>) -> Option<ErrorClass> {
    classes.into_iter().min_by_key(|class| gravity(*class))
}

impl Failures {
    /// Adds a failure.
    pub fn add(&mut self, error: &(dyn Classified + '_)) {
        self.add_words(error.to_string(), error.class(), error.hint());
    }

    /// Adds a failure and logs it.
    pub fn add_logged(&mut self, error: &(dyn Classified + '_)) {
        tracing::error!("{error}");
        self.add(error);
    }

    /// Adds a failure with this text.
    pub fn add_words(&mut self, text: impl Into<String>, class: ErrorClass, hint: Option<String>) {
        self.0.push(Failure { text: text.into(), class, hint });
    }

    /// Adds all failures of another part.
    pub fn append(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// Number of failures.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The texts of the failures.
    pub fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|failure| failure.text.as_str()).collect()
    }

    /// The text, the class and the hint of each failure.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ErrorClass, Option<&str>)> {
        self.0.iter().map(|failure| (failure.text.as_str(), failure.class, failure.hint.as_deref()))
    }

    fn deciding(&self) -> Option<&Failure> {
        self.0.iter().min_by_key(|failure| gravity(failure.class))
    }

    /// The class of the whole; `None` when nothing failed.
    pub fn class(&self) -> Option<ErrorClass> {
        self.deciding().map(|failure| failure.class)
    }

    /// The hints without duplicates, that of the deciding failure first.
    pub fn hint(&self) -> Option<String> {
        let mut hints: Vec<&str> = Vec::new();
        for hint in self.deciding().into_iter().chain(&self.0).filter_map(|failure| failure.hint.as_deref()) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        (!hints.is_empty()).then(|| hints.join(" "))
    }

    /// The failures with their hints, for programs.
    pub fn entries(&self) -> Vec<FailureEntry> {
        let entry =
            |failure: &Failure| FailureEntry { text: failure.text.clone(), hint: failure.hint.clone() };
        self.0.iter().map(entry).collect()
    }
}

/// The texts, as reports list them.
impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|failure| &failure.text))
    }
}

impl schemars::JsonSchema for Failures {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Failures".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<String> as schemars::JsonSchema>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::outcome::{Refusal, TaskOutcome};

    fn refusal(class: ErrorClass, hint: &str) -> Refusal {
        Refusal::new(class, format!("{class:?}")).with_hint(hint)
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
            let outcome = TaskOutcome::pass(()).with_failures(&failures);
            assert_eq!((failures.class(), outcome.class), (Some(expected), Some(expected)), "{classes:?}");
        }
        let nothing = Failures::default();
        assert_eq!(TaskOutcome::pass(()).with_failures(&nothing), TaskOutcome::pass(()));
    }

    #[test]
    fn every_failure_keeps_its_next_step_and_the_deciding_one_comes_first() {
        let mut failures = Failures::default();
        failures.add(&refusal(ErrorClass::Unavailable, "Run it again."));
        failures.add(&refusal(ErrorClass::Failed, "Name another owner."));
        failures.add(&refusal(ErrorClass::Unavailable, "Run it again."));
        failures.add(&Refusal::new(ErrorClass::Failed, "without"));
        let outcome = TaskOutcome::pass(()).with_failures(&failures);
        assert_eq!(outcome.hint.as_deref(), Some("Name another owner. Run it again."));
        let reason = outcome.reason.unwrap().text;
        assert_eq!(reason, "Unavailable; Failed; Unavailable; without");
        let second = FailureEntry { text: "Failed".to_owned(), hint: Some("Name another owner.".to_owned()) };
        assert_eq!(failures.entries()[1], second);
    }
}
