use cli_support::{CliError, ExitCode};
use oar_core::tasks::update_bug_list::{Reminder, UpdateBugList};

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
    /// Tell the managers of the QA contacts of unverified CVE bugs
    #[arg(long)]
    notify_managers: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

impl Args {
    fn reminder(&self) -> Reminder {
        if self.no_notify {
            Reminder::Nobody
        } else if self.confirm_droppable {
            Reminder::ConfirmDroppable
        } else if self.notify_managers {
            Reminder::Managers
        } else {
            Reminder::ToVerify
        }
    }
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = UpdateBugList::new(services.clone(), args.reminder());
    report::run_task(release, &statebox, &services, &task, (&args.change, args.busy.wait), loaded).await
}
