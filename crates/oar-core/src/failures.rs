//! What failed of several things that were done in one run, and what that makes of the whole.

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
    /// The next step.
    pub hint: Option<String>,
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
    /// Adds a failure.
    pub fn add(&mut self, error: &(dyn Classified + '_)) {
        self.add_words(error.to_string(), error.class(), error.hint());
    }

    /// Adds a failure, and says it in the log.
    pub fn add_logged(&mut self, error: &(dyn Classified + '_)) {
        tracing::error!("{error}");
        self.add(error);
    }

    /// Adds a failure that is told in these words.
    pub fn add_words(&mut self, text: impl Into<String>, class: ErrorClass, hint: Option<String>) {
        self.0.push(Failure { text: text.into(), class, hint });
    }

    /// Adds all failures of another part of the work.
    pub fn append(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// How many things failed.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What failed, a line each.
    pub fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|failure| failure.text.as_str()).collect()
    }

    /// What failed, with the class and the next step of each.
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

    /// What failed, each with its next step, for programs.
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
