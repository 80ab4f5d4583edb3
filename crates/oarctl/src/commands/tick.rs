//! `oarctl tick`: one look at every wait that is due.

use cli_support::{CliError, ExitCode, Session};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use oar_core::config::{Settings, WaitPolicy};
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::TaskError;
use oar_core::flow::permit::WritePermit;
use oar_core::flow::runner::Runner;
use oar_core::http::Http;
use oar_core::tasks::approval_wait::{Look, Watcher};
use oar_core::tasks::{Services, open_statebox, releases_with_state};
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
    let settings = Settings::load(&session.environment)?;
    let policy = WaitPolicy::of(&session.environment)?;
    let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())
        .map_err(|error| CliError::new(ErrorClass::Configuration, error.to_string()))?;
    let mut rows = Rows { session, all: Vec::new(), code: ExitCode::Done };
    let mut releases = args.releases;
    let all = releases.is_empty();
    if all {
        for (y_stream, found) in releases_of(&settings, session, &http).await {
            match found {
                Ok(found) => releases.extend(found),
                Err(error) => rows.add(Row::error(y_stream.to_string(), &error), Some(error.code)),
            }
        }
    }
    let count = releases.len();
    let waits: Vec<_> = releases.iter().map(|release| waits(release, session, &settings, &http)).collect();
    let waits: Vec<Result<bool, CliError>> = stream::iter(waits).buffered(READS).collect().await;
    for (release, waits) in releases.iter().zip(waits) {
        let looked = match waits {
            Ok(true) => look(release, session, &settings, &http, policy).await,
            Ok(false) if all => continue,
            Ok(false) => Ok(Look::NoWait),
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
async fn releases_of(
    settings: &Settings,
    session: &Session,
    http: &Http,
) -> Vec<(YStream, Result<Vec<ReleaseVersion>, CliError>)> {
    let lists = settings.versions().streams().iter().map(|stream| async move {
        let found = releases_with_state(settings, *stream, http, &session.clock).await;
        (*stream, found.map_err(|error| failure(&error)))
    });
    join_all(lists).await
}

/// Whether the release waits for something, or has messages that could not be sent.
async fn waits(
    release: &ReleaseVersion,
    session: &Session,
    settings: &Settings,
    http: &Http,
) -> Result<bool, CliError> {
    settings.versions().check(release)?;
    let statebox = open_statebox(settings, release, http, &session.clock, &session.redactor)?;
    let state = statebox.load().await?;
    let waits = state.wait(oar_core::statebox::TaskName::ChangeAdvisoryStatus).is_some();
    Ok(waits || !state.kept_messages().is_empty())
}

fn failure(error: &TaskError) -> CliError {
    let inner = error.inner();
    CliError { hint: inner.hint(), ..CliError::new(inner.class(), inner.to_string()) }
}

async fn look(
    release: &ReleaseVersion,
    session: &Session,
    settings: &Settings,
    http: &Http,
    policy: WaitPolicy,
) -> Result<Look, CliError> {
    let statebox = open_statebox(settings, release, http, &session.clock, &session.redactor)?;
    let services = Services::new(settings.release(release, http).await?, http.clone())?;
    let user = settings.user().unwrap_or("unknown");
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
