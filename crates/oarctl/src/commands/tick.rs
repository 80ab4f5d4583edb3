//! `oarctl tick`: one look at every wait that is due.

use cli_support::{CliError, ExitCode, Session};
use oar_core::config::{Settings, WaitPolicy};
use oar_core::error::ErrorClass;
use oar_core::flow::permit::WritePermit;
use oar_core::flow::runner::Runner;
use oar_core::http::Http;
use oar_core::tasks::approval_wait::{Look, Watcher};
use oar_core::tasks::{Services, open_statebox};
use oar_core::version::ReleaseVersion;
use serde::Serialize;

/// Look once at what releases wait for, and go on with what is there
///
/// Only a look that is due is made, and only when nobody else carries the wait on; meant for a timer. What is waited
/// for was begun, and consented to, by a command of `oar`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A release to look at; may be repeated
    #[arg(short, long = "release", required = true, value_name = "VERSION")]
    releases: Vec<ReleaseVersion>,
}

/// What became of one release.
#[derive(Debug, Serialize)]
struct Row {
    release: String,
    result: &'static str,
    detail: Option<String>,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let settings = Settings::load(&session.environment)?;
    let policy = WaitPolicy::of(&session.environment)?;
    let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())
        .map_err(|error| CliError::new(ErrorClass::Configuration, error.to_string()))?;
    let mut rows = Vec::new();
    let mut code = ExitCode::Done;
    for release in &args.releases {
        let (row, failure) = match look(release, session, &settings, &http, policy).await {
            Ok(look) => described(release, look),
            Err(error) => {
                session.ui.warn(format!("{release}: {}", error.message));
                let row = Row { release: release.to_string(), result: "error", detail: Some(error.message) };
                (row, Some(error.code))
            }
        };
        session.ui.text(match &row.detail {
            Some(detail) => format!("{}: {}: {detail}", row.release, row.result),
            None => format!("{}: {}", row.release, row.result),
        });
        rows.push(row);
        code = failure.filter(|_| code == ExitCode::Done).unwrap_or(code);
    }
    session.ui.json(&rows);
    Ok(code)
}

async fn look(
    release: &ReleaseVersion,
    session: &Session,
    settings: &Settings,
    http: &Http,
    policy: WaitPolicy,
) -> Result<Look, CliError> {
    settings.versions().check(release)?;
    let statebox = open_statebox(settings, release, http, &session.clock, &session.redactor)?;
    if statebox.load().await?.wait(oar_core::statebox::TaskName::ChangeAdvisoryStatus).is_none() {
        return Ok(Look::NoWait);
    }
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
    watcher.look(&permit).await.map_err(|error| {
        let inner = error.inner();
        CliError { hint: inner.hint(), ..CliError::new(inner.class(), inner.to_string()) }
    })
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
