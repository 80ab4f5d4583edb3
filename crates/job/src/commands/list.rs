use cli_support::{CliError, ExitCode, Session};

use crate::clients::Clients;
use crate::names;

/// List the tests that a component's jobs are made of
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component: the folder below ci-operator/config of openshift/release
    #[arg(long, default_value = names::COMPONENT, value_name = "ORG/REPOSITORY", value_parser = names::component)]
    component: String,
    /// The branch of openshift/release
    #[arg(long, default_value = names::BRANCH, value_name = "BRANCH")]
    branch: String,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = Clients::new(session)?;
    let (files, code) = names::tests(&clients, session, &args.component, &args.branch).await?;
    let (mut total, mut unknown) = (0, 0);
    for file in &files {
        if file.problem.is_some() {
            unknown += 1;
            continue;
        }
        session.ui.text(&file.file);
        for test in &file.tests {
            session.ui.text(format!("  {test}"));
        }
        total += file.tests.len();
    }
    let known = names::files_text(files.len() - unknown);
    let unknown =
        if unknown == 0 { String::new() } else { format!("; {} unknown", names::files_text(unknown)) };
    session.ui.text(format!("{total} tests in {known} of {}{unknown}", args.component));
    session.ui.json(&files);
    Ok(code)
}
