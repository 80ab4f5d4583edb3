//! One file per subcommand. The names have underscores because scripts call them so (spec 04 §1.2).

mod get_payloads;
mod get_results;
mod list;
mod run;
mod run_image_consistency_check;
mod run_required;
mod run_stage_testing;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
#[command(rename_all = "snake_case")]
pub(crate) enum Command {
    Run(run::Args),
    #[command(alias = "get-results")]
    GetResults(get_results::Args),
    List(list::Args),
    #[command(alias = "run-required")]
    RunRequired(run_required::Args),
    #[command(alias = "get-payloads")]
    GetPayloads(get_payloads::Args),
    #[command(alias = "run-image-consistency-check")]
    RunImageConsistencyCheck(run_image_consistency_check::Args),
    #[command(alias = "run-stage-testing")]
    RunStageTesting(run_stage_testing::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(args) => run::run(args, session).await,
        Command::GetResults(args) => get_results::run(args, session).await,
        Command::List(args) => list::run(args, session).await,
        Command::RunRequired(args) => run_required::run(args, session).await,
        Command::GetPayloads(args) => get_payloads::run(args, session).await,
        Command::RunImageConsistencyCheck(args) => run_image_consistency_check::run(args, session).await,
        Command::RunStageTesting(args) => run_stage_testing::run(args, session).await,
    }
}
