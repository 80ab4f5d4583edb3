//! The description of an operation, for programs.

use std::fmt;

use futures::future::BoxFuture;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::Call;
use crate::error::ErrorClass;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::{Refusal, TaskError};

/// The effect of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It only reads.
    Reads,
    /// Its changes can be reverted, or it notifies people.
    Writes,
    /// It cannot be undone: its plan needs consent first.
    Critical,
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Critical => "critical",
        })
    }
}

/// The scope of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One z-stream release; a call without a release is refused.
    Release,
    /// Releases, or test jobs and their builds, named by the arguments.
    Named,
}

/// The flows that an operation supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flows {
    /// Both flows.
    Both,
    /// Releases with a shipment merge request.
    Konflux,
    /// Releases that ship only by advisories.
    Errata,
    /// It does not depend on a flow.
    Neither,
}

impl fmt::Display for Flows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Both => "both",
            Self::Konflux => "Konflux",
            Self::Errata => "Errata",
            Self::Neither => "–",
        })
    }
}

/// Where an operation may be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// Anywhere, without any effect.
    Anywhere,
    /// Anywhere; it records the interruption (in less than two seconds). Running it again continues from
    /// there.
    Recorded,
    /// Between two items: the present one is finished, or found by the next run.
    BetweenItems,
}

/// The program that offers an operation to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// `oar`.
    Oar,
    /// `oarctl`.
    Oarctl,
    /// `job`.
    Job,
    /// `jobctl`.
    Jobctl,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 4] = [Self::Oar, Self::Oarctl, Self::Job, Self::Jobctl];

    /// The program of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oar => "oar",
            Self::Oarctl => "oarctl",
            Self::Job => "job",
            Self::Jobctl => "jobctl",
        }
    }
}

/// The description of an operation.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The program that offers it.
    pub program: Program,
    /// The words after the program's name: `stage-testing`, `issue add`. An option at their end selects the operation among
    /// those of one command: `drive` only reads, `drive --once` writes.
    pub command: &'static str,
    /// What it does, in one line without a full stop; the first line of its help.
    pub summary: &'static str,
    /// Its effect.
    pub effect: Effect,
    /// Its scope.
    pub scope: Scope,
    /// The flows that it supports.
    pub flows: Flows,
    /// Where it may be interrupted.
    pub interruption: Interruption,
    /// How much of its result is kept for a reader with limited space, who reads it in parts: bytes of text or JSON.
    pub result_limit: usize,
    /// Hints: what to know or to run before or after it, one sentence each.
    pub hints: &'static [&'static str],
    /// Whether only a person may run it, at a terminal or in a conversation: by it they decide something that no program
    /// may decide for them. Callers that act for a model offer it only with a person's word.
    pub for_people: bool,
}

/// How much of a result is kept where the operation has no limit of its own, in bytes.
pub const RESULT_LIMIT: usize = 256 * 1024;

impl About {
    /// An operation of `oar` on one release that only reads.
    pub(crate) const fn look(command: &'static str, summary: &'static str) -> Self {
        Self {
            program: Program::Oar,
            command,
            summary,
            effect: Effect::Reads,
            scope: Scope::Release,
            flows: Flows::Both,
            interruption: Interruption::Anywhere,
            result_limit: RESULT_LIMIT,
            hints: &[],
            for_people: false,
        }
    }

    /// A task of `oar` on one release.
    pub(crate) const fn task(command: &'static str, summary: &'static str, effect: Effect) -> Self {
        Self { effect, interruption: Interruption::Recorded, ..Self::look(command, summary) }
    }

    /// The same, for these flows.
    pub(crate) const fn of(mut self, flows: Flows) -> Self {
        self.flows = flows;
        self
    }

    /// The same, with these hints.
    pub(crate) const fn hints(mut self, hints: &'static [&'static str]) -> Self {
        self.hints = hints;
        self
    }

    /// The same, for people alone.
    pub(crate) const fn for_people(mut self) -> Self {
        self.for_people = true;
        self
    }

    /// The same, for another program, with a scope named by its arguments.
    pub(crate) const fn named(mut self, program: Program) -> Self {
        self.program = program;
        self.scope = Scope::Named;
        self.flows = Flows::Neither;
        self
    }

    /// The same, with these interruption points.
    pub(crate) const fn interrupted(mut self, interruption: Interruption) -> Self {
        self.interruption = interruption;
        self
    }

    /// An operation of `job` or `jobctl` that only reads.
    pub(crate) const fn job_look(program: Program, command: &'static str, summary: &'static str) -> Self {
        Self::look(command, summary).named(program)
    }

    /// An operation of `job` or `jobctl` that starts jobs or changes records. The next call finds what an
    /// interrupted one was doing.
    pub(crate) const fn job_change(program: Program, command: &'static str, summary: &'static str) -> Self {
        Self::task(command, summary, Effect::Writes).named(program).interrupted(Interruption::BetweenItems)
    }

    /// The name of the operation in one word, for permissions and tools: `oar_issue_add`.
    pub fn id(&self) -> String {
        let words = self.command.split([' ', '-']).filter(|word| !word.is_empty());
        std::iter::once(self.program.name()).chain(words).collect::<Vec<_>>().join("_")
    }

    /// The words of the command, and the option that selects this operation among those of the command: `drive` and `once`.
    pub fn words_and_option(&self) -> (&'static str, Option<&'static str>) {
        match self.command.split_once(" --") {
            Some((words, option)) => (words, Some(option)),
            None => (self.command, None),
        }
    }
}

/// How an operation ended, besides its result.
pub trait Conclusion {
    /// The class that decides the exit code; `None` is success.
    fn class(&self) -> Option<ErrorClass> {
        None
    }

    /// The signal that ended it.
    fn signal(&self) -> Option<Signal> {
        None
    }
}

/// The result of an operation with a dry run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PlanOrResult<P, R> {
    /// What would be done.
    Plan(P),
    /// What was done.
    Result(R),
}

impl<P, R: Conclusion> Conclusion for PlanOrResult<P, R> {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Plan(_) => None,
            Self::Result(result) => result.class(),
        }
    }

    fn signal(&self) -> Option<Signal> {
        match self {
            Self::Plan(_) => None,
            Self::Result(result) => result.signal(),
        }
    }
}

/// An operation that a person, an agent or an AI may run. A value is the operation with its arguments.
pub trait Operation: DeserializeOwned + JsonSchema + Send + 'static {
    /// Its description.
    const ABOUT: About;
    /// Its result.
    type Answer: Conclusion + Serialize + JsonSchema + Send;

    /// Runs it. Callers use [`perform`](super::perform).
    fn run(self, call: &Call) -> impl Future<Output = Result<Self::Answer, TaskError>> + Send;
}

/// The result of an operation that was called by its row.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The result, as JSON.
    pub document: Value,
    /// The class that decides the exit code; `None` is success.
    pub class: Option<ErrorClass>,
    /// The signal that ended it.
    pub signal: Option<Signal>,
}

type Perform = for<'a> fn(Value, &'a Call) -> BoxFuture<'a, Result<Outcome, TaskError>>;

/// One operation without its types, for callers that learn its name at run time.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its description.
    pub about: About,
    arguments: fn() -> Schema,
    answer: fn() -> Schema,
    perform: Perform,
}

impl Row {
    pub(crate) const fn of<O: Operation>() -> Self {
        Self {
            about: O::ABOUT,
            arguments: schema::<O>,
            answer: schema::<O::Answer>,
            perform: |arguments, call| Box::pin(performed::<O>(arguments, call)),
        }
    }

    /// The JSON schema of its arguments.
    pub fn arguments(&self) -> Schema {
        (self.arguments)()
    }

    /// Whether it has a dry run.
    pub fn has_dry_run(&self) -> bool {
        self.arguments().pointer("/properties/dry_run").is_some()
    }

    /// The JSON schema of its result.
    pub fn answer(&self) -> Schema {
        (self.answer)()
    }

    /// Runs it with arguments from JSON.
    ///
    /// # Errors
    ///
    /// The arguments are not those of the operation (class [`ErrorClass::Usage`]), or the operation failed before it
    /// had a result.
    pub async fn perform(&self, arguments: Value, call: &Call) -> Result<Outcome, TaskError> {
        (self.perform)(arguments, call).await
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Row").field(&self.about).finish()
    }
}

async fn performed<O: Operation>(arguments: Value, call: &Call) -> Result<Outcome, TaskError> {
    let refused = |why: &dyn fmt::Display| {
        Refusal::new(ErrorClass::Usage, format!("{}: {why}", O::ABOUT.id()))
            .with_hint("Look at the schema of its arguments.")
    };
    // An unknown argument would otherwise be silently ignored.
    let schema = schema::<O>();
    let known = |name: &str| schema.pointer("/properties").is_some_and(|known| known.get(name).is_some());
    if let Some(unknown) = arguments.as_object().and_then(|given| given.keys().find(|name| !known(name))) {
        return Err(refused(&format!("it has no argument `{}`", unknown.escape_debug())).into());
    }
    let operation: O = serde_json::from_value(arguments).map_err(|error| refused(&error))?;
    let answer = super::perform(operation, call).await?;
    let document = serde_json::to_value(&answer)
        .map_err(|error| Refusal::new(ErrorClass::Failed, format!("the result is not JSON: {error}")))?;
    Ok(Outcome { document, class: answer.class(), signal: answer.signal() })
}

fn schema<T: JsonSchema>() -> Schema {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}
