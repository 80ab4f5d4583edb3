use cli_support::{CliError, ExitCode, Session};
use oar_core::error::ErrorClass;
use oar_core::prow::by_hand;
use oar_core::prow::names::{BuildName, ResultName};
use oar_core::prow::record::RunId;
use oar_core::version::Arch;

use super::failure;
use crate::setup::live_world;

/// Put another run in the place of a recorded one, and judge the build anew
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Architecture: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// The build's whole name, such as 4.20.27
    #[arg(long, value_name = "BUILD")]
    build: BuildName,
    /// The job whose run is replaced
    #[arg(long = "job-name", value_name = "JOB")]
    job: String,
    /// The run that is recorded
    #[arg(long = "current-job-id", value_name = "ID")]
    current: String,
    /// The run that is to stand in its place
    #[arg(long = "new-job-id", value_name = "ID")]
    new: RunId,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let live = live_world(session, &[])?;
    let name = ResultName { build: args.build.clone(), arch: args.arch };
    match live.clients().prow().job(args.new.text()).await? {
        Some(run) if run.job != args.job => {
            return Err(CliError::new(
                ErrorClass::Failed,
                format!("{} is a run of {}, not of {}", args.new, run.job, args.job),
            )
            .with_hint("Nothing was changed. Check --new-job-id and --job-name."));
        }
        Some(_) => {}
        None => session
            .ui
            .warn(format!("Prow does not know the run {} (any more); it is taken as it is", args.new)),
    }
    let Some(permit) = super::permit(args.dry_run) else {
        let mut file = by_hand::record(live.world(), &name).await.map_err(|error| failure(&error))?;
        let now = session.clock.now();
        let (change, _) =
            file.replace_run(&args.job, &args.current, &args.new, now).map_err(|error| failure(&error))?;
        let words = if change.is_changed() { "would be replaced by" } else { "is replaced already by" };
        session.ui.text(format!("{} of {} {words} {}.", args.current, args.job, args.new));
        session.ui.json(&serde_json::json!({ "dry_run": true, "changes": change.is_changed() }));
        return Ok(ExitCode::Done);
    };
    let place = by_hand::replace_run(live.world(), &name, &args.job, &args.current, &args.new, &permit)
        .await
        .map_err(|error| failure(&error))?;
    session.ui.text(match place {
        Some(_) => format!(
            "{} of {} is replaced by {}. The aggregator's next pass judges the build anew.",
            args.current, args.job, args.new
        ),
        None => format!("{} of {} is replaced already; nothing to do.", args.current, args.job),
    });
    session.ui.json(&serde_json::json!({ "file": name.to_string(), "changed": place.is_some() }));
    Ok(ExitCode::Done)
}
