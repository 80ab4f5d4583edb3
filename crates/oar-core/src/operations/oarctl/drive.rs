//! `oarctl drive`: advances every active release, each for itself.

use std::collections::HashMap;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::DrivePolicy;
use crate::drive::plan::{Care, DrivePlan};
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::flow::interrupt::Signal;
use crate::flow::nodes::Node;
use crate::flow::outcome::TaskError;
use crate::operations::advance::{self, Advanced, Ran};
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Effect, Interruption, Operation, Program};
use crate::store::Stored;
use crate::tasks::statebox_files::StateBoxFiles;
use crate::version::ReleaseVersion;

/// How many releases are worked on at the same time.
const AT_ONCE: usize = 4;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DriveReleases {
    /// The releases to advance; by default every active one that has a StateBox
    pub release: Vec<ReleaseVersion>,
    /// Show what would be done without doing it
    pub dry_run: bool,
}

/// The result for each release.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Answer {
    /// A row per release.
    pub rows: Vec<ReleaseRow>,
    /// The failures of all rows, each with its release and its next step.
    #[serde(skip)]
    pub failures: Failures,
    /// The signal that ended it.
    #[serde(skip)]
    pub signal: Option<Signal>,
}

/// The result for one release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseRow {
    /// The release.
    pub release: String,
    /// What was run; of a dry run nothing.
    pub runs: Vec<Ran>,
    /// What would be run now.
    pub now: Vec<String>,
    /// How many questions wait for people.
    pub questions: usize,
    /// How many of them people were told now.
    pub told: usize,
    /// How many facts could not be read.
    pub unknown: usize,
    /// When to look next.
    pub next_look: Option<String>,
    /// What holds the release, or why that is not known.
    pub held: Vec<String>,
    /// What did not work.
    pub problems: Vec<String>,
    /// Those of the problems that are no failures: why a release was not looked at, and what its hold kept from being done.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl ReleaseRow {
    fn new(release: String) -> Self {
        Self {
            release,
            runs: Vec::new(),
            now: Vec::new(),
            questions: 0,
            told: 0,
            unknown: 0,
            next_look: None,
            held: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn of_plan(plan: &DrivePlan) -> Self {
        Self {
            now: plan.now.iter().map(|run| run.command.clone()).collect(),
            questions: plan.people.len(),
            unknown: plan.unknown.len(),
            next_look: plan.next_look.clone(),
            held: plan.held.clone(),
            problems: plan.defects.clone(),
            ..Self::new(plan.release.clone())
        }
    }
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        self.failures.class()
    }

    fn signal(&self) -> Option<Signal> {
        self.signal
    }
}

impl Operation for DriveReleases {
    const ABOUT: About = About::task(
        "drive",
        "Advance every active release as far as the policy allows; meant for a timer",
        Effect::Writes,
    )
    .named(Program::Oarctl)
    .interrupted(Interruption::BetweenItems)
    .hints(&[
        "The section `drive` of the configuration document says what is done without asking.",
        "A problem with one release does not stop the others.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let policy = advance::policy(call)?;
        let mut answer = Answer::default();
        let mut releases = self.release;
        let mut files = HashMap::new();
        let read_at = call.clock().now();
        if releases.is_empty() {
            let found = StateBoxFiles::new(call.clients().clone()).unfinished_states().await?;
            for (release, read) in found {
                match read {
                    Ok(read) => {
                        files.insert(release.clone(), read.stored);
                        releases.push(release);
                    }
                    Err(why) => {
                        let why = format!("it is not known whether it is active: {why}");
                        let words = format!("{release}: {why}");
                        answer.failures.add_words(words, ErrorClass::Unavailable, None);
                        let row = ReleaseRow::new(release.to_string());
                        answer.rows.push(ReleaseRow { problems: vec![why], ..row });
                    }
                }
            }
        }
        // One look at the records of builds is enough for all.
        if releases.len() > 1
            && let Err(error) = call.clients().list_records().await
        {
            tracing::debug!("each release looks at its own record: {error}");
        }
        let known = |release| Some((files.get(release)?.clone(), read_at));
        let one = |release| pass(call, release, known(release), &policy, self.dry_run);
        let passes: Vec<_> = releases.iter().map(one).collect();
        let passes: Vec<_> = stream::iter(passes).buffered(AT_ONCE).collect().await;
        for (release, passed) in releases.iter().zip(passes) {
            match passed {
                Ok((row, failures)) => {
                    answer.failures.append(&failures);
                    answer.rows.push(row);
                }
                Err(error) => {
                    let error = error.inner();
                    answer.failures.add_words(format!("{release}: {error}"), error.class(), error.hint());
                    let problems = vec![error.to_string()];
                    answer.rows.push(ReleaseRow { problems, ..ReleaseRow::new(release.to_string()) });
                }
            }
        }
        answer.signal = call.interrupt().signal();
        Ok(answer)
    }
}

/// One pass over a release, whose StateBox may have been read at a time.
async fn pass(
    call: &Call,
    release: &ReleaseVersion,
    read: Option<(Stored, Timestamp)>,
    policy: &DrivePolicy,
    dry_run: bool,
) -> Result<(ReleaseRow, Failures), TaskError> {
    if let Some(signal) = call.interrupt().signal() {
        let why = format!("interrupted by {}; it was not looked at", signal.name());
        let row = ReleaseRow::new(release.to_string());
        return Ok((
            ReleaseRow { problems: vec![why.clone()], notes: vec![why], ..row },
            Failures::default(),
        ));
    }
    let part = call.part_about(release)?;
    if let Some((stored, at)) = read {
        part.statebox()?.know(stored, at).await;
    }
    if dry_run {
        let plan = advance::planned(&part, policy, None, Care::Shown).await?.plan;
        return Ok(summary(&plan, Vec::new(), Vec::new()));
    }
    let Advanced { runs, told, warnings, plan, .. } = advance::advance(&part, policy).await?;
    let (row, failures) = summary(&plan, runs, warnings);
    Ok((ReleaseRow { told, ..row }, failures))
}

/// The row of a release, and those of its problems that are failures of the pass ([`Advanced::class`]).
fn summary(plan: &DrivePlan, runs: Vec<Ran>, warnings: Vec<String>) -> (ReleaseRow, Failures) {
    let (mut row, mut failures) = (ReleaseRow::of_plan(plan), Failures::default());
    let mut fails = |words: &str, class: ErrorClass, next: Option<String>| {
        failures.add_words(format!("{}: {words}", plan.release), class, next);
    };
    for defect in &plan.defects {
        fails(defect, ErrorClass::Failed, None);
    }
    for run in runs.iter().filter(|run| run.failed()) {
        let words = format!("{}: {}", run.node, run.detail.as_deref().unwrap_or(run.result.text()));
        if let Some(class) = run.class {
            fails(&words, class, Some(next_step(plan, run.node)));
        }
        row.problems.push(words);
    }
    for warning in &warnings {
        // What did not work because the release was held meanwhile is no failure.
        if plan.held.is_empty() {
            fails(warning, ErrorClass::Unavailable, None);
        } else {
            row.notes.push(warning.clone());
        }
    }
    row.problems.extend(warnings);
    row.runs = runs;
    (row, failures)
}

/// What comes next of a step that failed: who is asked, otherwise when it is due again.
fn next_step(plan: &DrivePlan, node: Node) -> String {
    if let Some(request) = plan.people.iter().find(|request| request.nodes.contains(&node)) {
        let who = request.who.words();
        return match request.commands.as_slice() {
            [] => format!("{who} must act; oar -r {} drive", plan.release),
            commands => format!("{who}: {}", commands.join("; ")),
        };
    }
    let due = plan.nodes.iter().find(|plan| plan.node == node).and_then(|plan| plan.next_look.as_ref());
    match due {
        Some(due) => format!("It is due again at {due}."),
        None => format!("oar -r {} drive", plan.release),
    }
}
