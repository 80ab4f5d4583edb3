//! The `oar` command line: takes one z-stream release from announced to shipped.
//!
//! One file per command in `commands`; each holds its arguments and a call into `oar-core`.

mod commands;
mod release;
mod report;
mod watcher;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use cli_support::{CliError, CommonArgs, ExitCode, Program, Session};
use oar_core::version::ReleaseVersion;

/// Take an OpenShift z-stream release from announced to shipped
#[derive(Debug, Parser)]
#[command(
    name = "oar",
    version = concat!("v", env!("CARGO_PKG_VERSION")),
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done · 1 task failed · 2 usage · 3 configuration or credentials · \
                  4 a service is unavailable · 5 state conflict · 6 blocked · 130/143 interrupted"
)]
pub struct Oar {
    /// The release, for example 4.19.1 or 4.22.0-rc.0
    #[arg(short, long, global = true, value_name = "VERSION")]
    release: Option<ReleaseVersion>,
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    CreateTestReport(commands::create_test_report::Args),
    TakeOwnership(commands::take_ownership::Args),
    ImageConsistencyCheck(commands::image_consistency_check::Args),
    StageTesting(commands::stage_testing::Args),
    PushToCdnStaging(commands::push_to_cdn_staging::Args),
    CheckGreenwaveCvpTests(commands::check_greenwave_cvp_tests::Args),
    IsShipped(commands::is_shipped::Args),
    UpdateBugList(commands::update_bug_list::Args),
    CheckCveTrackerBug(commands::check_cve_tracker_bug::Args),
    ImageSignedCheck(commands::image_signed_check::Args),
    ChangeAdvisoryStatus(commands::change_advisory_status::Args),
    AddQeApproval(commands::add_qe_approval::Args),
    DropBugs(commands::drop_bugs::Args),
    Status(commands::status::Args),
    History(commands::history::Args),
    Task(commands::task::Args),
    Issue(commands::issue::Args),
    Metadata(commands::metadata::Args),
}

impl Program for Oar {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        let Some(release) = self.release else {
            return Err(CliError::usage("no release was named")
                .with_hint("Name it with -r, for example: oar -r 4.19.1 status"));
        };
        let release = release::Release { version: release, session };
        match self.command {
            Command::CreateTestReport(args) => commands::create_test_report::run(args, &release).await,
            Command::TakeOwnership(args) => commands::take_ownership::run(args, &release).await,
            Command::ImageConsistencyCheck(args) => {
                commands::image_consistency_check::run(args, &release).await
            }
            Command::StageTesting(args) => commands::stage_testing::run(args, &release).await,
            Command::PushToCdnStaging(args) => commands::push_to_cdn_staging::run(args, &release).await,
            Command::CheckGreenwaveCvpTests(args) => {
                commands::check_greenwave_cvp_tests::run(args, &release).await
            }
            Command::IsShipped(args) => commands::is_shipped::run(args, &release).await,
            Command::UpdateBugList(args) => commands::update_bug_list::run(args, &release).await,
            Command::CheckCveTrackerBug(args) => commands::check_cve_tracker_bug::run(args, &release).await,
            Command::ImageSignedCheck(args) => commands::image_signed_check::run(args, &release).await,
            Command::ChangeAdvisoryStatus(args) => {
                commands::change_advisory_status::run(args, &release).await
            }
            Command::AddQeApproval(args) => commands::add_qe_approval::run(args, &release).await,
            Command::DropBugs(args) => commands::drop_bugs::run(args, &release).await,
            Command::Status(args) => commands::status::run(args, &release).await,
            Command::History(args) => commands::history::run(args, &release).await,
            Command::Task(args) => commands::task::run(args, &release).await,
            Command::Issue(args) => commands::issue::run(args, &release).await,
            Command::Metadata(args) => commands::metadata::run(args, &release).await,
        }
    }
}

/// Parses `arguments` and runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli_support::run::<Oar>(arguments)
}
