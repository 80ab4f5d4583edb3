use std::path::{Path, PathBuf};

use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::jobctl::show::Show;
use oar_core::prow::names::BuildName;
use oar_core::version::Arch;

use crate::records;
use crate::render;

/// Show a build's tests: jobs, runs, retries, the result, and why the build is accepted or not
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The build, such as 4.20.27, whose record is read from GitHub; or a record on disk, a file named
    /// `ocp-test-result-<build>-<arch>.json`
    #[arg(value_name = "BUILD")]
    build: String,
    /// Architecture of the build: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// With a record on disk: directory with the registries of test jobs; a record that has the jobs of its
    /// own registry needs none
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let show = match args.build.parse::<BuildName>() {
        Ok(build) => Show { build: Some(build), arch: args.arch, record: None, registry: Vec::new() },
        Err(error) if !args.build.contains(['/', '.']) => return Err(CliError::usage(error.to_string())),
        Err(error) if session.behalf.is_some() => return Err(CliError::usage(error.to_string())),
        Err(_) => Show {
            build: None,
            arch: args.arch,
            record: Some(records::read(Path::new(&args.build))),
            registry: records::registries(args.registry.as_deref())?,
        },
    };
    let call = if show.record.is_some() { session.local_call()? } else { session.call(false)? };
    let view = session.perform(show, &call).await?;
    session.ui.json(&view);
    session.ui.text(render::build(&view));
    Ok(ExitCode::Done)
}
