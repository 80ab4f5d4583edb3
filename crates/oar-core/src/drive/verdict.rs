//! What is said of a node: its verdict, what is to be done, and on what evidence.

use jiff::Timestamp;
use serde::Serialize;

use super::case::Case;
use super::facts::FactKey;
use crate::config::Leave;
use crate::flow::nodes::{Node, Who};
use crate::statebox::ReasonClass;

/// How a node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Verdict {
    /// It is done.
    Done,
    /// Somebody is at it, or another system works on it.
    Running {
        /// Who or what.
        what: String,
    },
    /// It can be done now.
    Ready,
    /// Something must happen first, which nobody here can do.
    Waiting {
        /// For what.
        #[serde(rename = "for")]
        what: String,
        /// Whether it is only not known.
        unknown: bool,
    },
    /// Something stands in the way that somebody must clear.
    Blocked {
        /// By what.
        by: String,
        /// Who clears it.
        whose: Who,
    },
    /// A person must decide.
    Asks {
        /// The question.
        question: String,
        /// The answers.
        choices: Vec<String>,
    },
    /// It failed.
    Failed {
        /// The class of the failure, if it is recorded.
        class: Option<ReasonClass>,
        /// The reason.
        why: String,
        /// How often the engine may try it again.
        tries_left: u32,
    },
    /// It does not apply, or is not needed.
    NotApplicable {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running { .. } => "running",
            Self::Ready => "ready",
            Self::Waiting { .. } => "waiting",
            Self::Blocked { .. } => "blocked",
            Self::Asks { .. } => "asks",
            Self::Failed { .. } => "failed",
            Self::NotApplicable { .. } => "not_applicable",
        }
    }

    /// Whether nothing is left to do.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::NotApplicable { .. })
    }
}

/// What is to be done about a node now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ToDo {
    /// Nothing.
    Nothing,
    /// The engine runs it.
    Run {
        /// The command that does the same.
        command: String,
        /// Whether the run only looks at, or records, what is there.
        only_looks: bool,
    },
    /// The engine runs it when a person has consented.
    Consent {
        /// The command.
        command: String,
    },
    /// A person runs it.
    ByHand {
        /// The command.
        command: String,
    },
    /// A person answers the question of the verdict.
    Answer {
        /// The command that records the answer, if there is one.
        command: Option<String>,
    },
}

/// What the engine does when it runs a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Act {
    /// It runs the command of the task.
    #[default]
    Command,
    /// It records that the task has passed, for this reason.
    Pass(String),
    /// It records the verdict of a person about the task.
    Decided(Decided),
    /// It records an issue that answers for the task.
    Issue(String),
    /// It looks at what the task waits for, and goes on when that is there.
    CarryOn,
}

/// The verdict of a person that the engine records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Whether the task is accepted.
    pub accepted: bool,
    /// Who decided it and why, in words.
    pub reason: String,
    /// The id of the decision.
    pub id: String,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Where it stands.
    pub address: String,
    /// Which field.
    pub field: String,
    /// Its value.
    pub value: String,
    /// When it was so: when it was read, or the time that the field itself has.
    pub at: Option<String>,
    /// How long ago it was read, in seconds; absent for what the StateBox says.
    pub age: Option<i64>,
}

/// A fact that a verdict needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Lack {
    /// The fact.
    pub fact: FactKey,
    /// Why it is not known.
    pub why: String,
}

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NodePlan {
    /// The node.
    pub node: Node,
    /// How it stands.
    pub verdict: Verdict,
    /// What the policy says of it.
    pub policy: Leave,
    /// More about the verdict.
    pub note: Option<String>,
    /// What has changed since it was judged, when its verdict is stale.
    pub stale: Option<String>,
    /// Since when it stands like this.
    pub since: Option<String>,
    /// When to look next.
    pub next_look: Option<String>,
    /// Until when it may take.
    pub deadline: Option<String>,
    /// Who must act.
    pub person: Option<Who>,
    /// What is to be done now.
    pub to_do: ToDo,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// The fact that is missing.
    pub lacks: Option<Lack>,
    /// The case of a build whose tests are not accepted, for the person who decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// The next look, for the program.
    #[serde(skip)]
    pub look_at: Option<Timestamp>,
    /// What the engine does when it runs it.
    #[serde(skip)]
    pub act: Act,
    /// What people are asked about, where the words of the question change while it stays the same.
    #[serde(skip)]
    pub topic: Option<String>,
}
