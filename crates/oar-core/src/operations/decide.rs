//! `decide` and `waive`: what a person decides about a node of a release, recorded for whoever goes on with it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::call::{Call, new_id};
use super::hold::{end, reason};
use super::row::{About, Conclusion, Effect, Operation};
use crate::clock::Moment;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::{
    Change, DecisionKind, DecisionView, NewDecision, NodeName, State, Subject, TaskName, Verdict,
};
use crate::version::ReleaseVersion;

/// The longest address that is stored, in characters.
const EVIDENCE_LIMIT: usize = 500;

/// The operation `decide`, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Decide {
    /// The task or checkpoint
    pub node: NodeName,
    /// How it counts
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Why
    #[serde(default)]
    pub reason: Option<String>,
    /// The address of what the decision rests on
    #[serde(default)]
    pub evidence: Option<String>,
    /// Take back the decision about the node
    #[serde(default)]
    pub withdraw: bool,
    /// Show what would be done without doing it
    #[serde(default)]
    pub dry_run: bool,
}

/// The operation `waive`, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Waive {
    /// The task
    pub task: TaskName,
    /// Why
    #[serde(default)]
    pub reason: Option<String>,
    /// The last day (UTC) of the waiver, or the time at which it ends; without it, it does not end
    #[serde(default)]
    pub until: Option<Moment>,
    /// Take back the waiver of the task
    #[serde(default)]
    pub withdraw: bool,
    /// Show what would be done without doing it
    #[serde(default)]
    pub dry_run: bool,
}

/// The result: what became of the decision.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// The node that it is about.
    pub node: NodeName,
    /// What was done, or would be done.
    pub outcome: DecisionOutcome,
    /// The decisions that were recorded or taken back, or stand already.
    pub decisions: Vec<DecisionView>,
    /// Whether the file was changed.
    pub changed: bool,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionOutcome {
    /// It is recorded.
    Recorded,
    /// The same one stood already.
    RecordedBefore,
    /// What stood is taken back.
    Withdrawn,
    /// There was none.
    NothingToWithdraw,
}

impl Conclusion for Answer {}

impl Operation for Decide {
    const ABOUT: About = About::task(
        "decide",
        "Record what you decide about a task or checkpoint of the release: accept, reject or wait",
        Effect::Writes,
    )
    .for_people()
    .hints(&["`oar drive --once` records accept and reject of a build as the result of its task."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let Self { node, verdict, reason: why, evidence, withdraw, dry_run } = self;
        let (kind, now) = (DecisionKind::Verdict, call.clock().now());
        if withdraw {
            if verdict.is_some() || why.is_some() || evidence.is_some() {
                return Err(usage("--withdraw takes neither a verdict nor --reason nor --evidence").into());
            }
            return take_back(call, kind, node, now, dry_run).await;
        }
        let Some(verdict) = verdict else {
            return Err(usage("no verdict was given; expected accept, reject or wait").into());
        };
        let why = reason(why.as_deref(), "why it is decided so")?;
        let evidence = evidence.map(|address| checked(&address)).transpose()?;
        let decision = decision(call, now, why, Subject::Verdict { node, verdict, evidence });
        record(call, kind, node, &decision, dry_run).await
    }
}

impl Operation for Waive {
    const ABOUT: About = About::task(
        "waive",
        "Let the release go on without a task: it counts as passed for the tasks after it",
        Effect::Writes,
    )
    .for_people()
    .hints(&["The task keeps its status. Open issues that concern only waived tasks do not block."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let Self { task, reason: why, until, withdraw, dry_run } = self;
        let (kind, node, now) = (DecisionKind::Waiver, NodeName::Task(task), call.clock().now());
        if withdraw {
            if why.is_some() || until.is_some() {
                return Err(usage("--withdraw takes neither --reason nor --until").into());
            }
            return take_back(call, kind, node, now, dry_run).await;
        }
        if matches!(task, TaskName::CreateTestReport | TaskName::ChangeAdvisoryStatus) {
            let words = format!("{task} cannot be waived: no release ships without it");
            return Err(usage(&words).into());
        }
        let why = reason(why.as_deref(), "why the release may go on without it")?;
        end(until, now)?;
        let decision = decision(call, now, why, Subject::Waiver { task, until });
        record(call, kind, node, &decision, dry_run).await
    }
}

fn usage(words: &str) -> Refusal {
    Refusal::new(ErrorClass::Usage, words)
}

/// The address of evidence: of a web page, without a login in it.
fn checked(address: &str) -> Result<String, Refusal> {
    let address = address.trim();
    let is_page = Url::parse(address).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    });
    if is_page && address.chars().count() <= EVIDENCE_LIMIT {
        return Ok(address.to_owned());
    }
    Err(usage(&format!(
        "--evidence is no address of a web page; expected one such as https://prow.example.com/view/1, without a login and \
         of at most {EVIDENCE_LIMIT} characters"
    )))
}

fn decision(call: &Call, at: Timestamp, reason: String, subject: Subject) -> NewDecision {
    NewDecision { id: new_id(), subject, by: call.user().to_owned(), at, reason }
}

/// The decisions of this kind about `node` that stand.
fn standing(state: &State, kind: DecisionKind, node: NodeName, now: Timestamp) -> Vec<DecisionView> {
    let mut all = state.decisions();
    all.retain(|known| known.kind == kind && known.node_name() == Some(node) && known.counts_at(now));
    all
}

async fn record(
    call: &Call,
    kind: DecisionKind,
    node: NodeName,
    decision: &NewDecision,
    dry_run: bool,
) -> Result<Answer, TaskError> {
    let message = format!("Decide on {node}");
    let (_, state, change) = changed(call, &message, dry_run, |state| state.decide(decision)).await?;
    let outcome =
        if change.is_changed() { DecisionOutcome::Recorded } else { DecisionOutcome::RecordedBefore };
    let decisions = standing(&state, kind, node, decision.at);
    answer(call, node, outcome, decisions, dry_run)
}

async fn take_back(
    call: &Call,
    kind: DecisionKind,
    node: NodeName,
    now: Timestamp,
    dry_run: bool,
) -> Result<Answer, TaskError> {
    let message = format!("Take back the decision on {node}");
    let withdraw = |state: &mut State| state.withdraw_decisions(kind, Some(node), call.user(), now);
    let (before, state, change) = changed(call, &message, dry_run, withdraw).await?;
    if !change.is_changed() {
        return answer(call, node, DecisionOutcome::NothingToWithdraw, Vec::new(), dry_run);
    }
    let stood = standing(&before, kind, node, now);
    let is_ours = |known: &DecisionView| stood.iter().any(|stood| stood.id == known.id);
    let mut decisions = state.decisions();
    decisions.retain(is_ours);
    answer(call, node, DecisionOutcome::Withdrawn, decisions, dry_run)
}

/// The state before and after a change, and whether it is one. A dry run changes a copy.
async fn changed(
    call: &Call,
    message: &str,
    dry_run: bool,
    change: impl Fn(&mut State) -> Change + Send + Sync,
) -> Result<(State, State, Change), TaskError> {
    let statebox = call.statebox()?;
    let before = call.load(&statebox).await?;
    let _hold = call.interrupt().hold();
    if dry_run {
        let mut copy = before.clone();
        let changed = change(&mut copy);
        return Ok((before, copy, changed));
    }
    let updated = statebox.update(call.permit()?, message, |state| Ok(change(state))).await?;
    Ok((before, updated.state, updated.change))
}

fn answer(
    call: &Call,
    node: NodeName,
    outcome: DecisionOutcome,
    decisions: Vec<DecisionView>,
    dry_run: bool,
) -> Result<Answer, TaskError> {
    let changes = matches!(outcome, DecisionOutcome::Recorded | DecisionOutcome::Withdrawn);
    let release = call.release()?.clone();
    Ok(Answer { release, node, outcome, decisions, changed: changes && !dry_run, dry_run })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_address_of_a_page_without_a_login() {
        assert_eq!(checked(" https://example.com/a?b ").unwrap(), "https://example.com/a?b");
        let long = format!("https://example.com/{}", "a".repeat(EVIDENCE_LIMIT));
        for bad in [
            "",
            "job 17",
            "ftp://example.com/",
            "https://me:secret@example.com/",
            "https://me@example.com",
            &long,
        ] {
            let error = checked(bad).unwrap_err().to_string();
            assert!(error.contains("--evidence") && !error.contains("secret"), "{bad}: {error}");
        }
    }
}
