//! `oarctl operations`: what can be asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Effect, Flows, Interruption, Operation, Program, Row, Scope};
use super::table::TABLE;
use crate::flow::outcome::TaskError;

/// The operation; it has no arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Operations {}

/// Every operation, in the order of the table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Answer {
    /// The operations.
    pub operations: Vec<OperationView>,
}

/// What is known of an operation before it is called.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OperationView {
    /// Its name in one word, as permissions and tools write it.
    pub id: String,
    /// The command, with its program.
    pub command: String,
    /// What it does.
    pub summary: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// What it is about.
    pub scope: Scope,
    /// The flows in which it has something to do.
    pub flows: Flows,
    /// Whether it can say what it would do, and do nothing.
    pub dry_run: bool,
    /// Where it may be stopped.
    pub interruption: Interruption,
    /// What to know or to call before or after it.
    pub hints: &'static [&'static str],
}

impl From<&Row> for OperationView {
    fn from(row: &Row) -> Self {
        let About { program, command, summary, effect, scope, flows, interruption, hints, .. } = row.about;
        Self {
            id: row.about.id(),
            command: format!("{} {command}", program.name()),
            summary,
            effect,
            scope,
            flows,
            dry_run: row.has_dry_run(),
            interruption,
            hints,
        }
    }
}

impl Conclusion for Answer {}

impl Operation for Operations {
    const ABOUT: About = About::look("operations", "List every operation and what it does to the world")
        .named(Program::Oarctl)
        .hints(&["What is critical needs consent (--yes); what writes can be tried with --dry-run."]);
    type Answer = Answer;

    async fn run(self, _: &Call) -> Result<Answer, TaskError> {
        Ok(Answer { operations: TABLE.iter().map(OperationView::from).collect() })
    }
}
