//! The `oar` command line: takes one z-stream release from announced to shipped.
//!
//! `commands` has one file per command, with its arguments and a call into `oar-core`.

mod commands;
mod plan_text;
mod release;
mod report;
mod watcher;
mod wrap;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use cli_support::{Build, CliError, CommonArgs, ExitCode, Program, Session, complete, help};
use oar_core::config::{RecentReleases, default_release};
use oar_core::version::ReleaseVersion;

/// The groups in which the help shows the commands.
const GROUPS: &[help::Group] = &[
    (
        "Release tasks, in their order",
        &[
            "create-test-report",
            "take-ownership",
            "update-bug-list",
            "check-greenwave-cvp-tests",
            "check-cve-tracker-bug",
            "push-to-cdn-staging",
            "image-consistency-check",
            "stage-testing",
            "image-signed-check",
            "drop-bugs",
            "add-qe-approval",
            "change-advisory-status",
        ],
    ),
    ("State", &["consent", "decide", "waive", "hold", "task", "issue"]),
    (
        "Information",
        &["releases", "status", "drive", "history", "log", "timeline", "metadata", "is-shipped", "doctor"],
    ),
];

/// Take an OpenShift z-stream release from announced to shipped
#[derive(Debug, Parser)]
#[command(
    name = "oar",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    help_template = help::template::<Command>(GROUPS),
    after_help = "Exit codes: 0 done · 1 task failed · 2 usage · 3 configuration or credentials · \
                  4 a service is unavailable · 5 state conflict · 6 blocked · 130/143 interrupted"
)]
pub struct Oar {
    /// The release, for example 4.19.1 or 4.22.0-rc.0 [default: that of `OAR_RELEASE`]
    #[arg(
        short,
        long,
        global = true,
        value_name = "VERSION",
        help_heading = help::GLOBAL_OPTIONS,
        add = complete::releases()
    )]
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
    UpdateBugList(commands::update_bug_list::Args),
    ImageConsistencyCheck(commands::image_consistency_check::Args),
    CheckGreenwaveCvpTests(commands::check_greenwave_cvp_tests::Args),
    CheckCveTrackerBug(commands::check_cve_tracker_bug::Args),
    PushToCdnStaging(commands::push_to_cdn_staging::Args),
    StageTesting(commands::stage_testing::Args),
    ImageSignedCheck(commands::image_signed_check::Args),
    DropBugs(commands::drop_bugs::Args),
    AddQeApproval(commands::add_qe_approval::Args),
    ChangeAdvisoryStatus(commands::change_advisory_status::Args),
    Consent(commands::consent::Args),
    Decide(commands::decide::Args),
    Waive(commands::waive::Args),
    Hold(commands::hold::Args),
    Task(commands::task::Args),
    Issue(commands::issue::Args),
    Releases(commands::releases::Args),
    Status(commands::status::Args),
    Drive(commands::drive::Args),
    History(commands::history::Args),
    Log(commands::log::Args),
    Metadata(commands::metadata::Args),
    IsShipped(commands::is_shipped::Args),
    Doctor(commands::doctor::Args),
    Timeline(commands::timeline::Args),
}

impl Program for Oar {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        // A misspelled OAR_RELEASE is no missing one.
        session.environment.check_names()?;
        let command = match self.command.without_release() {
            Ok(all) if self.release.is_none() => return all.run(&session).await,
            Ok(_) => {
                return Err(CliError::usage(
                    "the command is about every release, and -r names one; give one of them",
                ));
            }
            Err(command) => *command,
        };
        let named =
            self.release.map_or_else(|| default_release(&session.environment), |named| Ok(Some(named)))?;
        let Some(version) = named else {
            if let Command::Doctor(args) = command {
                return commands::doctor::run_for_all(args, &session).await;
            }
            return Err(CliError::usage("no release was given").with_hint(
                "Name it with -r (for example: oar -r 4.19.1 status), or set OAR_RELEASE for all commands of a shell",
            ));
        };
        let recent = RecentReleases::of(&session.environment);
        let release = release::Release { session, version };
        let code = command.run(&release).await?;
        if let Some(recent) = recent.filter(|_| code == ExitCode::Done) {
            recent.add(&release.version);
        }
        Ok(code)
    }
}

/// A command that is about no single release.
enum OfAll {
    Hold(commands::hold::Args),
    Releases,
}

impl OfAll {
    async fn run(self, session: &Session) -> Result<ExitCode, CliError> {
        match self {
            Self::Hold(args) => commands::hold::run_for_all(args, session).await,
            Self::Releases => commands::releases::run(session).await,
        }
    }
}

impl Command {
    /// The command without a release, if it is about all; otherwise the command itself.
    fn without_release(self) -> Result<OfAll, Box<Self>> {
        match self {
            Self::Hold(args) if args.all => Ok(OfAll::Hold(args)),
            Self::Releases(_) => Ok(OfAll::Releases),
            command => Err(Box::new(command)),
        }
    }

    async fn run(self, release: &release::Release) -> Result<ExitCode, CliError> {
        match self {
            Self::CreateTestReport(args) => commands::create_test_report::run(args, release).await,
            Self::TakeOwnership(args) => commands::take_ownership::run(args, release).await,
            Self::ImageConsistencyCheck(args) => commands::image_consistency_check::run(args, release).await,
            Self::StageTesting(args) => commands::stage_testing::run(args, release).await,
            Self::PushToCdnStaging(args) => commands::push_to_cdn_staging::run(args, release).await,
            Self::CheckGreenwaveCvpTests(args) => {
                commands::check_greenwave_cvp_tests::run(args, release).await
            }
            Self::IsShipped(args) => commands::is_shipped::run(args, release).await,
            Self::UpdateBugList(args) => commands::update_bug_list::run(args, release).await,
            Self::CheckCveTrackerBug(args) => commands::check_cve_tracker_bug::run(args, release).await,
            Self::ImageSignedCheck(args) => commands::image_signed_check::run(args, release).await,
            Self::ChangeAdvisoryStatus(args) => commands::change_advisory_status::run(args, release).await,
            Self::AddQeApproval(args) => commands::add_qe_approval::run(args, release).await,
            Self::DropBugs(args) => commands::drop_bugs::run(args, release).await,
            Self::Status(args) => commands::status::run(args, release).await,
            Self::Drive(args) => commands::drive::run(args, release).await,
            Self::Log(args) => commands::log::run(args, release).await,
            Self::History(args) => commands::history::run(args, release).await,
            Self::Consent(args) => commands::consent::run(args, release).await,
            Self::Decide(args) => commands::decide::run(args, release).await,
            Self::Waive(args) => commands::waive::run(args, release).await,
            Self::Hold(args) => commands::hold::run(args, release).await,
            Self::Releases(_) => commands::releases::run(&release.session).await,
            Self::Task(args) => commands::task::run(args, release).await,
            Self::Issue(args) => commands::issue::run(args, release).await,
            Self::Metadata(args) => commands::metadata::run(args, release).await,
            Self::Timeline(args) => commands::timeline::run(args, release).await,
            Self::Doctor(args) => commands::doctor::run(args, release).await,
        }
    }
}

/// Parses `arguments` and runs the command; `build` is what `--version` says.
pub fn run(arguments: impl IntoIterator<Item = OsString>, build: Build) -> ExitCode {
    cli_support::run::<Oar>(arguments, build)
}
