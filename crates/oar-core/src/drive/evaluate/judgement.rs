//! A verdict with what the other two functions need: what is to be done, and the next look.

use jiff::Timestamp;

use crate::config::Leave;
use crate::drive::case::Case;
use crate::drive::verdict::{Act, Evidence, Lack, ToDo, Verdict};
use crate::flow::nodes::{Row, Who};

/// What a run of the node's action would do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acts {
    /// There is nothing to run.
    No,
    /// It looks at, or records, what is there.
    Looks,
    /// It has an effect.
    Does,
}

/// A verdict with everything that the other two functions need.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) acts: Acts,
    pub(super) note: Option<String>,
    pub(super) stale: Option<String>,
    pub(super) since: Option<Timestamp>,
    /// When to look next, where the verdict itself knows.
    pub(super) due: Option<Timestamp>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) whom: Option<Who>,
    /// The command, where it is not the usual one.
    pub(super) command: Option<String>,
    /// What the engine does for it.
    pub(super) act: Act,
    pub(super) evidence: Vec<Evidence>,
    pub(super) lacks: Option<Lack>,
    pub(super) case: Option<Case>,
    /// What is asked about, where the words of the question change while it stays the same.
    pub(super) topic: Option<String>,
}

impl Judgement {
    pub(super) fn new(verdict: Verdict) -> Self {
        let acts = if verdict == Verdict::Ready { Acts::Does } else { Acts::No };
        Self {
            verdict,
            acts,
            note: None,
            stale: None,
            since: None,
            due: None,
            deadline: None,
            whom: None,
            command: None,
            act: Act::Command,
            evidence: Vec::new(),
            lacks: None,
            case: None,
            topic: None,
        }
    }

    pub(super) fn waiting(what: impl Into<String>) -> Self {
        Self::new(Verdict::Waiting { what: what.into(), unknown: false })
    }

    pub(super) fn running(what: impl Into<String>) -> Self {
        Self::new(Verdict::Running { what: what.into() })
    }

    pub(super) fn blocked(by: impl Into<String>, whose: Who) -> Self {
        Self::new(Verdict::Blocked { by: by.into(), whose })
    }

    pub(super) fn asks(question: impl Into<String>, choices: &[&str]) -> Self {
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        Self::new(Verdict::Asks { question: question.into(), choices })
    }

    pub(super) fn not_applicable(why: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable { why: why.into() })
    }

    pub(super) fn about(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    pub(super) fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(super) fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }

    pub(super) fn due(mut self, due: Timestamp) -> Self {
        self.due = Some(due);
        self
    }

    pub(super) fn asked_of(mut self, whom: Who) -> Self {
        self.whom = Some(whom);
        self
    }

    pub(super) fn only_looking(mut self) -> Self {
        self.acts = Acts::Looks;
        self
    }

    pub(super) fn by_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    pub(super) fn acting(mut self, act: Act) -> Self {
        self.act = act;
        self
    }

    pub(super) fn until(mut self, deadline: Option<Timestamp>) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn on(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }
}

/// What is to be done about a node now.
pub fn to_do(judgement: &Judgement, policy: Leave, command: Option<String>) -> ToDo {
    match (&judgement.verdict, judgement.acts, command) {
        // What is late is looked at further, while people are asked.
        (Verdict::Asks { .. }, Acts::Looks, Some(command)) if looks_on(judgement, policy) => {
            ToDo::Run { command, only_looks: true }
        }
        (Verdict::Asks { .. }, _, _) => ToDo::Answer { command: judgement.command.clone() },
        (Verdict::Blocked { .. }, _, _) if judgement.command.is_some() => {
            ToDo::Answer { command: judgement.command.clone() }
        }
        // Whoever has looked at the failure runs it again.
        (Verdict::Failed { tries_left: 0, .. }, _, command) => ToDo::Answer { command },
        (verdict, _, _) if verdict.is_settled() => ToDo::Nothing,
        (_, Acts::No, _) | (_, _, None) => ToDo::Nothing,
        (_, acts, Some(command)) => match (policy, acts) {
            (Leave::Never, Acts::Looks) if looks_on(judgement, policy) => {
                ToDo::Run { command, only_looks: true }
            }
            (Leave::Never, _) if matches!(judgement.verdict, Verdict::Running { .. }) => ToDo::Nothing,
            (Leave::Never, _) => ToDo::ByHand { command },
            (Leave::Ask, Acts::Does) => ToDo::Consent { command },
            (Leave::Auto | Leave::Ask, acts) => ToDo::Run { command, only_looks: acts == Acts::Looks },
        },
    }
}

/// Whether the engine looks although people are asked, or alone may act: where the policy lets it, and at the wait of an
/// approval that somebody has begun, which nobody else continues.
fn looks_on(judgement: &Judgement, policy: Leave) -> bool {
    policy != Leave::Never || judgement.act == Act::CarryOn
}

/// When to look next; `None` when nothing is left to do, or only a person can go on.
pub fn next_look(judgement: &Judgement, to_do: &ToDo, now: Timestamp) -> Option<Timestamp> {
    if judgement.verdict.is_settled() {
        return None;
    }
    match (judgement.due, to_do) {
        (Some(due), _) => Some(due.max(now)),
        (None, ToDo::Run { .. }) => Some(now),
        (None, _) => None,
    }
}

/// Who must act.
pub(super) fn person(row: &Row, judgement: &Judgement, to_do: &ToDo) -> Option<Who> {
    match (&judgement.verdict, to_do) {
        (Verdict::Done | Verdict::NotApplicable { .. }, _) => None,
        (Verdict::Blocked { whose, .. }, _) => Some(*whose),
        (Verdict::Asks { .. } | Verdict::Failed { tries_left: 0, .. }, _)
        | (_, ToDo::Consent { .. } | ToDo::ByHand { .. } | ToDo::Answer { .. }) => {
            Some(judgement.whom.unwrap_or(row.who))
        }
        _ => judgement.whom,
    }
}
