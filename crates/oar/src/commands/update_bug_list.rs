use cli_support::{CliError, ExitCode};
use oar_core::operations::update_bug_list::UpdateBugList;

use crate::release::Release;
use crate::report;

/// Update the list of the release's bugs and remind the QA contacts to verify them
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Args {
    /// Remind the QA contacts of the bugs in `ON_QA` (the default)
    #[arg(long, overrides_with = "no_notify")]
    notify: bool,
    /// Remind nobody
    #[arg(long, overrides_with = "notify", conflicts_with_all = ["confirm_droppable", "notify_managers"])]
    no_notify: bool,
    /// Ask the QA contacts of unverified bugs of high severity whether these can be dropped
    #[arg(long, conflicts_with = "notify_managers")]
    confirm_droppable: bool,
    /// Notify the managers of the QA contacts of unverified CVE bugs
    #[arg(long)]
    notify_managers: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { notify: _, no_notify, confirm_droppable, notify_managers, busy, change } = args;
    let (wait, change) = (busy.wait, change.into());
    release.run(UpdateBugList { no_notify, confirm_droppable, notify_managers, wait, change }, false).await
}
