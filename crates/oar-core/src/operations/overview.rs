//! `oarctl operations`: lists all operations.

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

/// The description of an operation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OperationView {
    /// Its name in one word, for permissions and tools.
    pub id: String,
    /// The command, with its program.
    pub command: String,
    /// What it does.
    pub summary: &'static str,
    /// Its effect.
    pub effect: Effect,
    /// Its scope.
    pub scope: Scope,
    /// The flows that it supports.
    pub flows: Flows,
    /// Whether it has a dry run.
    pub dry_run: bool,
    /// Where it may be interrupted.
    pub interruption: Interruption,
    /// Hints: what to know or to run before or after it.
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
    const ABOUT: About = About::look("operations", "List every operation and its effect")
        .named(Program::Oarctl)
        .hints(&["What is critical needs consent (--yes); what writes can be tried with --dry-run."]);
    type Answer = Answer;

    async fn run(self, _: &Call) -> Result<Answer, TaskError> {
        Ok(Answer { operations: TABLE.iter().map(OperationView::from).collect() })
    }
}
