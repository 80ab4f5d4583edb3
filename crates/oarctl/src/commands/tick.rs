//! `oarctl tick`: one look at every wait that is due.

use cli_support::{CliError, ExitCode, Session, exit_code};
use oar_core::operations::tick::{Arguments, Tick};
use oar_core::version::ReleaseVersion;

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

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let all = args.releases.is_empty();
    let arguments = Arguments { release: args.releases, dry_run: args.dry_run };
    let answer = session.perform::<Tick>(arguments, &session.call(false)?).await?;
    let ui = &session.ui;
    for row in &answer.rows {
        ui.text(match &row.detail {
            Some(detail) => format!("{}: {}: {detail}", row.release, row.result),
            None => format!("{}: {}", row.release, row.result),
        });
    }
    if all && answer.rows.is_empty() {
        ui.text(format!("{} releases looked at: nothing waits", answer.count));
    }
    ui.json(&answer);
    Ok(exit_code(&answer))
}
