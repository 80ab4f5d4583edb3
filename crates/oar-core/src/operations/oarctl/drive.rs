//! `oarctl drive`: takes every active release on, each for itself.

use futures::StreamExt as _;
use futures::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::DrivePolicy;
use crate::drive::plan::DrivePlan;
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::TaskError;
use crate::operations::advance::{self, Ran};
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Effect, Interruption, Operation, Program};
use crate::tasks::statebox_files::StateBoxFiles;
use crate::version::ReleaseVersion;

/// How many releases are worked on at the same time.
const AT_ONCE: usize = 4;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DriveReleases {
    /// The releases to take on; by default every active one that has a StateBox
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
    /// The problems, which the rows show.
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
    /// What did not work.
    pub problems: Vec<String>,
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
            problems: Vec::new(),
        }
    }

    fn of_plan(plan: &DrivePlan) -> Self {
        Self {
            now: plan.now.iter().map(|run| run.command.clone()).collect(),
            questions: plan.people.len(),
            unknown: plan.unknown.len(),
            next_look: plan.next_look.clone(),
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
        "Take every active release on as far as the policy says; meant for a timer",
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
        if releases.is_empty() {
            let active = StateBoxFiles::new(call.clients().clone()).unfinished().await?;
            for (release, why) in active.unknown {
                let why = format!("it is not known whether it is active: {why}");
                answer.failures.add_words(&why, ErrorClass::Unavailable, None);
                answer.rows.push(ReleaseRow { problems: vec![why], ..ReleaseRow::new(release.to_string()) });
            }
            releases = active.releases;
        }
        let passes: Vec<_> =
            releases.iter().map(|release| pass(call, release, &policy, self.dry_run)).collect();
        let passes: Vec<_> = stream::iter(passes).buffered(AT_ONCE).collect().await;
        for (release, passed) in releases.iter().zip(passes) {
            match passed {
                Ok((row, class)) => {
                    if let Some(class) = class {
                        let words = row.problems.first().map_or("a step failed", String::as_str);
                        answer.failures.add_words(format!("{release}: {words}"), class, None);
                    }
                    answer.rows.push(row);
                }
                Err(error) => {
                    let error = error.inner();
                    answer.failures.add(error);
                    let problems = vec![error.to_string()];
                    answer.rows.push(ReleaseRow { problems, ..ReleaseRow::new(release.to_string()) });
                }
            }
        }
        answer.signal = call.interrupt().signal();
        Ok(answer)
    }
}

/// One pass over a release.
async fn pass(
    call: &Call,
    release: &ReleaseVersion,
    policy: &DrivePolicy,
    dry_run: bool,
) -> Result<(ReleaseRow, Option<ErrorClass>), TaskError> {
    let part = call.part_about(release)?;
    if dry_run {
        return Ok((ReleaseRow::of_plan(&advance::planned(&part, policy).await?.plan), None));
    }
    let advanced = advance::advance(&part, policy).await?;
    let class = advanced.class();
    let mut row = ReleaseRow::of_plan(&advanced.plan);
    row.told = advanced.told;
    let failed = advanced.runs.iter().filter(|run| run.failed());
    let failed =
        failed.map(|run| format!("{}: {}", run.node, run.detail.as_deref().unwrap_or(run.result.text())));
    row.problems.extend(failed);
    row.problems.extend(advanced.warnings);
    row.runs = advanced.runs;
    Ok((row, class))
}
