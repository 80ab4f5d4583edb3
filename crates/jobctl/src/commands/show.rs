use std::path::{Path, PathBuf};

use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::manual;
use oar_core::prow::names::{BuildName, ResultName};
use oar_core::prow::view::BuildView;
use oar_core::version::Arch;

use super::failure;
use crate::records;
use crate::render;
use crate::setup::live_world;

/// Show a build's tests: jobs, runs, retries, the result, and why the build is accepted or not
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The build, such as 4.20.27, whose record is read from GitHub; or a record on disk, a file called
    /// `ocp-test-result-<build>-<arch>.json`
    #[arg(value_name = "BUILD")]
    build: String,
    /// Architecture of the build: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// With a record on disk: directory with the registries of test jobs; a record that says what it was started with
    /// needs none
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let view = match args.build.parse::<BuildName>() {
        Ok(build) => recorded(ResultName { build, arch: args.arch }, session).await?,
        Err(error) if !args.build.contains(['/', '.']) => return Err(CliError::usage(error.to_string())),
        Err(_) => {
            let file = records::read_record(Path::new(&args.build))?;
            let registries = records::registries(args.registry.as_deref())?;
            records::warn(&registries, session);
            BuildView::of(&file, registries.find(file.name().registry()))
        }
    };
    session.ui.json(&view);
    session.ui.text(render::build(&view));
    Ok(ExitCode::Done)
}

/// What GitHub has of the build.
async fn recorded(name: ResultName, session: &Session) -> Result<BuildView, CliError> {
    let live = live_world(session, &[])?;
    let file = manual::record(live.world(), &name).await.map_err(|error| failure(&error))?;
    let registry = match live.world().registries.registry(name.registry()).await {
        Ok(registry) => registry,
        Err(error) => {
            session.ui.warn(format!("without the registry: {}", failure(&error).message));
            None
        }
    };
    Ok(BuildView::of(&file, registry.as_deref()))
}
