//! `oarctl tick`: one look at every wait that is due.

use cli_support::{CliError, ExitCode, Session};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use jiff::Timestamp;
use oar_core::clients::Clients;
use oar_core::clock::stamp;
use oar_core::config::WaitPolicy;
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::TaskError;
use oar_core::flow::runner::Runner;
use oar_core::permit::WritePermit;
use oar_core::statebox::{State, TaskName};
use oar_core::tasks::approval_wait::{Look, Watcher};
use oar_core::tasks::{ReleaseContext, open_statebox, releases_with_state};
use oar_core::version::{ReleaseVersion, YStream};
use serde::Serialize;

/// How many releases are read at a time.
const READS: usize = 8;

/// Look once at what releases wait for, and go on with what is there
///
/// Only a look that is due is made, and only when nobody else carries the wait on; meant for a timer. What is waited
/// for was begun, and consented to, by a command of `oar`. Without --release the newest eight releases of every
/// supported y-stream are looked at, and those that wait are shown. Trouble with one release does not keep the others
/// from their look.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A release to look at; may be repeated
    #[arg(short, long = "release", value_name = "VERSION")]
    releases: Vec<ReleaseVersion>,
    /// Say which looks are due and what else would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of one release.
#[derive(Debug, Serialize)]
struct Row {
    /// The release, or the y-stream whose releases could not be listed.
    release: String,
    result: &'static str,
    detail: Option<String>,
}

impl Row {
    fn error(subject: String, error: &CliError) -> Self {
        Self { release: subject, result: "error", detail: Some(error.message.clone()) }
    }
}

/// The rows so far, and the exit code: that of the first trouble.
struct Rows<'a> {
    session: &'a Session,
    all: Vec<Row>,
    code: ExitCode,
}

impl Rows<'_> {
    fn add(&mut self, row: Row, failure: Option<ExitCode>) {
        self.session.ui.text(match &row.detail {
            Some(detail) => format!("{}: {}: {detail}", row.release, row.result),
            None => format!("{}: {}", row.release, row.result),
        });
        self.all.push(row);
        self.code = failure.filter(|_| self.code == ExitCode::Done).unwrap_or(self.code);
    }
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = session.clients()?;
    let policy = WaitPolicy::of(&session.environment)?;
    let mut rows = Rows { session, all: Vec::new(), code: ExitCode::Done };
    let mut releases = args.releases;
    let all = releases.is_empty();
    if all {
        for (y_stream, found) in releases_of(&clients).await {
            match found {
                Ok(found) => releases.extend(found),
                Err(error) => rows.add(Row::error(y_stream.to_string(), &error), Some(error.code)),
            }
        }
    }
    let count = releases.len();
    let states: Vec<_> = releases.iter().map(|release| state_of(release, &clients)).collect();
    let states: Vec<Result<State, CliError>> = stream::iter(states).buffered(READS).collect().await;
    for (release, state) in releases.iter().zip(states) {
        let looked = match state {
            Ok(state) if waits(&state) && args.dry_run => {
                rows.add(foreseen(release, &state, session.clock.now()), None);
                continue;
            }
            Ok(state) if waits(&state) => look(release, session, &clients, policy).await,
            Ok(_) if all => continue,
            Ok(_) => Ok(Look::NoWait),
            Err(error) => Err(error),
        };
        let (row, failure) = match looked {
            Ok(look) => described(release, look),
            Err(error) => (Row::error(release.to_string(), &error), Some(error.code)),
        };
        rows.add(row, failure);
    }
    if all && rows.all.is_empty() {
        session.ui.text(format!("{count} releases looked at: nothing waits"));
    }
    session.ui.json(&rows.all);
    Ok(rows.code)
}

/// The newest releases of every supported y-stream.
async fn releases_of(clients: &Clients) -> Vec<(YStream, Result<Vec<ReleaseVersion>, CliError>)> {
    let lists = clients.settings().versions().streams().iter().map(|stream| async move {
        let found = releases_with_state(clients, *stream).await;
        (*stream, found.map_err(|error| failure(&error)))
    });
    join_all(lists).await
}

/// The release's state.
async fn state_of(release: &ReleaseVersion, clients: &Clients) -> Result<State, CliError> {
    clients.settings().versions().check(release)?;
    Ok(open_statebox(clients, release)?.load().await?)
}

/// Whether the release waits for something, or has messages that could not be sent.
fn waits(state: &State) -> bool {
    state.wait(TaskName::ChangeAdvisoryStatus).is_some() || !state.kept_messages().is_empty()
}

/// What a tick at `now` would do for a release that waits.
fn foreseen(release: &ReleaseVersion, state: &State, now: Timestamp) -> Row {
    let messages = state.kept_messages().len();
    let (result, detail) = if let Some(wait) = state.wait(TaskName::ChangeAdvisoryStatus) {
        match wait.held_at(now) {
            _ if wait.deadline().is_some_and(|deadline| now >= deadline) => {
                ("would ask the release leads", format!("overdue: {}", wait.condition))
            }
            _ if wait.due() > now => ("waits", format!("the next look is due at {}", stamp(wait.due()))),
            Some(holder) => ("waits", format!("{} carries the wait on", holder.who)),
            None => ("would look", wait.condition),
        }
    } else {
        let noun = if messages == 1 { "message" } else { "messages" };
        ("would send", format!("{messages} {noun} that could not be sent before"))
    };
    Row { release: release.to_string(), result, detail: Some(detail) }
}

fn failure(error: &TaskError) -> CliError {
    let inner = error.inner();
    CliError { hint: inner.hint(), ..CliError::new(inner.class(), inner.to_string()) }
}

async fn look(
    release: &ReleaseVersion,
    session: &Session,
    clients: &Clients,
    policy: WaitPolicy,
) -> Result<Look, CliError> {
    let services = ReleaseContext::open(clients.clone(), release).await?;
    let statebox = services.statebox()?;
    let user = clients.settings().user().unwrap_or("unknown");
    let watcher = Watcher {
        services: &services,
        runner: Runner {
            statebox: &statebox,
            clock: &session.clock,
            interrupt: &session.interrupt,
            deliver: &services,
            user,
        },
        who: format!("{user}/tick-{}", std::process::id()),
        policy,
        accepted: std::collections::BTreeSet::new(),
    };
    let permit = WritePermit::granted_by_user_interface();
    watcher.look(&permit).await.map_err(|error| failure(&error))
}

fn described(release: &ReleaseVersion, look: Look) -> (Row, Option<ExitCode>) {
    let (result, detail, code) = match look {
        Look::NoWait => ("nothing waits", None, None),
        Look::Finished(report) => {
            ("done", report.reason.map(|reason| reason.text), report.class.map(ExitCode::from))
        }
        Look::Overdue => (
            "overdue",
            Some("the release leads were asked".to_owned()),
            Some(ExitCode::from(ErrorClass::Blocked)),
        ),
        Look::Later(_, why) => ("waits", Some(why), None),
    };
    (Row { release: release.to_string(), result, detail }, code)
}
