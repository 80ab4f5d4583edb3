//! `jobctl verify`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operations::call::Call;
use crate::operations::files::{Content, File};
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::verification::{Registries, Verification, is_of_no_minor};

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Verify {
    /// Records, latest files or registries, by their own names
    pub files: Vec<File>,
    /// The registries of test jobs, which say what is required; without it every job of a record is
    #[serde(default)]
    pub registry: Vec<File>,
    /// Whether it counts as a fault, too, that a build was accepted on part of the evidence, or that a file is not written
    /// exactly
    #[serde(default)]
    pub strict: bool,
}

/// What checking the files gave.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// What was found.
    #[serde(flatten)]
    pub verification: Verification,
    #[serde(skip)]
    strict: bool,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        self.verification.class(self.strict)
    }
}

impl Operation for Verify {
    const ABOUT: About =
        About::job_look(Program::Jobctl, "verify", "Check whether stored records agree with their runs");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let Self { files, registry, strict } = self;
        if files.is_empty() {
            let words = "there is no record, latest file or registry to check";
            return Err(Refusal::new(ErrorClass::Usage, words).into());
        }
        let observer = call.observer();
        let registries = registries(registry);
        for problem in &registries.refused {
            observer.warn(problem);
        }
        let mut found = Vec::new();
        for file in files {
            let own = file.own_name().to_owned();
            let File { name, content: Content(content) } = file;
            if is_of_no_minor(&own) {
                observer.note(&format!("{name} is ignored: it is the registry of no minor version"));
                continue;
            }
            found.push((name, content.map(|bytes| (own, bytes))));
        }
        Ok(Answer { verification: Verification::of(found, &registries), strict })
    }
}

/// The registries among `files`.
pub(super) fn registries(files: Vec<File>) -> Registries {
    let mut unreadable = Vec::new();
    let named = files.into_iter().filter_map(|file| {
        let own = file.own_name().to_owned();
        let Content(content) = file.content;
        match content {
            Ok(bytes) => Some((own, bytes)),
            Err(reason) => {
                unreadable.push(format!("{own}: {reason}"));
                None
            }
        }
    });
    let mut registries = Registries::of(named.collect::<Vec<_>>());
    registries.refused.extend(unreadable);
    registries
}
