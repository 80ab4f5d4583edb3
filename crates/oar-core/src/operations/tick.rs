//! `tick`: one check of every wait that is due.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Effect, Operation, Program};
use crate::clock::stamp;
use crate::config::WaitPolicy;
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::flow::outcome::TaskError;
use crate::flow::runner::Runner;
use crate::statebox::{State, TaskName};
use crate::tasks::approval_wait::{Look, Watcher};
use crate::tasks::{ReleaseContext, open_statebox, releases_with_state};
use crate::version::{ReleaseVersion, YStream};

/// Releases that are read at the same time.
const READS: usize = 8;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Tick {
    /// The releases to check; by default the newest eight of every supported y-stream
    pub release: Vec<ReleaseVersion>,
    /// Show which checks are due and what else would be done, without doing it
    pub dry_run: bool,
}

/// The result for each release.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Answer {
    /// A row per named or waiting release.
    pub rows: Vec<ReleaseRow>,
    /// Number of checked releases.
    #[serde(skip)]
    pub count: usize,
    /// The problems, which the rows show.
    #[serde(skip)]
    pub failures: Failures,
}

/// The result for one release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseRow {
    /// The release, or the y-stream whose releases could not be listed.
    pub release: String,
    /// A short description of the result.
    pub result: &'static str,
    /// Details.
    pub detail: Option<String>,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        self.failures.class()
    }
}

impl Answer {
    fn add_error(&mut self, release: String, error: &TaskError) {
        let error = error.inner();
        self.failures.add(error);
        self.rows.push(ReleaseRow { release, result: "error", detail: Some(error.to_string()) });
    }

    fn add(&mut self, release: &ReleaseVersion, look: Look) {
        let (result, detail, class) = match look {
            Look::NoWait => ("nothing waits", None, None),
            Look::Messages { kept, sent } => {
                let detail = format!("{sent} of {kept} that could not be sent before");
                (if sent == kept { "messages sent" } else { "messages kept" }, Some(detail), None)
            }
            Look::Finished(report) => ("done", report.reason.map(|reason| reason.text), report.class),
            Look::Overdue => {
                ("overdue", Some("the release leads were asked".to_owned()), Some(ErrorClass::Blocked))
            }
            Look::Later(_, why) => ("waits", Some(why), None),
        };
        if let Some(class) = class {
            self.failures.add_words(detail.as_deref().unwrap_or(result), class, None);
        }
        self.rows.push(ReleaseRow { release: release.to_string(), result, detail });
    }
}

impl Operation for Tick {
    const ABOUT: About = About::task(
        "tick",
        "Continue waits of releases that are due; meant for a timer",
        Effect::Writes,
    )
    .named(Program::Oarctl)
    .hints(&[
        "Meant for a timer: only a check that is due is made, and only when no other process continues the wait.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        // A wrong setting is told before anything is read.
        WaitPolicy::of(call.settings().environment())?;
        let mut answer = Answer::default();
        let mut releases = self.release;
        let all = releases.is_empty();
        if all {
            // Without a token, no y-stream can be read: that is one error.
            let mut unread: IndexMap<String, (Vec<String>, TaskError)> = IndexMap::new();
            for (y_stream, found) in newest_releases(call).await {
                match found {
                    Ok(found) => releases.extend(found),
                    Err(error) => {
                        let same = unread.entry(error.inner().to_string());
                        same.or_insert_with(|| (Vec::new(), error)).0.push(y_stream.to_string());
                    }
                }
            }
            for (y_streams, error) in unread.values() {
                answer.add_error(y_streams.join(", "), error);
            }
        }
        answer.count = releases.len();
        let states: Vec<_> = releases.iter().map(|release| state_of(release, call)).collect();
        let states: Vec<Result<State, TaskError>> = stream::iter(states).buffered(READS).collect().await;
        for (release, state) in releases.iter().zip(states) {
            let looked = match state {
                Ok(state) if waits(&state) && self.dry_run => {
                    answer.rows.push(foreseen(release, &state, call.clock().now()));
                    continue;
                }
                Ok(state) if waits(&state) => look(release, call).await,
                Ok(_) if all => continue,
                Ok(_) => Ok(Look::NoWait),
                Err(error) => Err(error),
            };
            match looked {
                Ok(look) => answer.add(release, look),
                Err(error) => answer.add_error(release.to_string(), &error),
            }
        }
        Ok(answer)
    }
}

/// The newest releases of every supported y-stream.
async fn newest_releases(call: &Call) -> Vec<(YStream, Result<Vec<ReleaseVersion>, TaskError>)> {
    let lists = call
        .settings()
        .versions()
        .streams()
        .iter()
        .map(|stream| async move { (*stream, releases_with_state(call.clients(), *stream).await) });
    join_all(lists).await
}

/// The release's state.
async fn state_of(release: &ReleaseVersion, call: &Call) -> Result<State, TaskError> {
    call.settings().versions().check(release)?;
    Ok(open_statebox(call.clients(), release)?.load().await?)
}

/// Whether the release waits for something, or has messages that could not be sent.
fn waits(state: &State) -> bool {
    state.wait(TaskName::ChangeAdvisoryStatus).is_some() || !state.kept_messages().is_empty()
}

/// What a tick at `now` would do for a waiting release.
fn foreseen(release: &ReleaseVersion, state: &State, now: Timestamp) -> ReleaseRow {
    let messages = state.kept_messages().len();
    let (result, detail) = if let Some(wait) = state.wait(TaskName::ChangeAdvisoryStatus) {
        match wait.held_at(now) {
            _ if wait.deadline().is_some_and(|deadline| now >= deadline) => {
                ("would ask the release leads", format!("overdue: {}", wait.condition))
            }
            _ if wait.due() > now => ("waits", format!("the next check is due at {}", stamp(wait.due()))),
            Some(holder) => ("waits", format!("{} continues the wait", holder.who)),
            None => ("would look", wait.condition),
        }
    } else {
        let noun = if messages == 1 { "message" } else { "messages" };
        ("would send", format!("{messages} {noun} that could not be sent before"))
    };
    ReleaseRow { release: release.to_string(), result, detail: Some(detail) }
}

/// One look at the wait of a release, or at messages that could not be sent.
pub(super) async fn look(release: &ReleaseVersion, call: &Call) -> Result<Look, TaskError> {
    let policy = WaitPolicy::of(call.settings().environment())?;
    let call = &call.part_about(release)?;
    let services = ReleaseContext::open(call.clients().clone(), release).await?;
    let statebox = call.statebox()?;
    let watcher = Watcher {
        services: &services,
        runner: Runner {
            statebox: &statebox,
            clock: call.clock(),
            interrupt: call.interrupt(),
            deliver: &services,
            user: call.user(),
            id: None,
        },
        who: format!("{}/tick-{}", call.user(), std::process::id()),
        policy,
        accepted: BTreeSet::new(),
        stays: false,
    };
    watcher.look(call.permit()?).await
}
