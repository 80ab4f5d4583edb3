//! `oarctl tick`: one check of every wait that is due.

use cli_support::{CliError, ExitCode, Session, complete, exit_code};
use oar_core::operations::tick::Tick;
use oar_core::version::ReleaseVersion;

/// Continue waits of releases that are due; meant for a timer
///
/// Each wait was started, and consented to, by a command of `oar`. A wait is checked only when it is due and
/// no other process holds it. Without --release the newest eight releases of every supported y-stream are
/// checked, and waiting ones are shown. A problem with one release does not stop the others.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check only this release; may be repeated
    #[arg(short, long = "release", value_name = "VERSION", add = complete::releases())]
    releases: Vec<ReleaseVersion>,
    /// Print which waits are due and what would be done without doing it
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let all = args.releases.is_empty();
    let answer = session
        .perform(Tick { release: args.releases, dry_run: args.dry_run }, &session.call(false)?)
        .await?;
    let ui = &session.ui;
    for row in &answer.rows {
        ui.text(match &row.detail {
            Some(detail) => format!("{}: {}: {detail}", row.release, row.result),
            None => format!("{}: {}", row.release, row.result),
        });
    }
    if all && answer.rows.is_empty() {
        ui.text(format!("{} checked: nothing waits", cli_support::counted(answer.count, "release")));
    }
    ui.json(&answer);
    // The rows say the same; this adds the next steps.
    ui.explain_failures("", &answer.failures);
    Ok(exit_code(&answer))
}
