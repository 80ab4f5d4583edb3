use cli_support::{CliError, ExitCode, Session, exit_code};
use oar_core::operations::job::list::List;
use oar_core::prow::jobs::{self, Component};

/// List the tests that a component's jobs are made of
///
/// The output is names of tests, by configuration file. `job run` takes the name of a job, or a part of it.
/// The name of a test's job is `periodic-ci-`, the name of the file without `.yaml` and with `-` for `__`,
/// then `-` and the test. Only periodic tests have such a job.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component: the folder below ci-operator/config of openshift/release
    #[arg(long, default_value = jobs::COMPONENT, value_name = "ORG/REPOSITORY")]
    component: Component,
    /// The branch of openshift/release
    #[arg(long, default_value = jobs::BRANCH, value_name = "BRANCH")]
    branch: String,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { component, branch } = args;
    let list = session.perform(List { component: component.clone(), branch }, &session.call(false)?).await?;
    if let Some(text) = list.problem() {
        session.ui.problem(text);
    }
    let (mut total, mut unknown) = (0, 0);
    for file in &list.files {
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
    let known = files_text(list.files.len() - unknown);
    let unknown = if unknown == 0 { String::new() } else { format!("; {} unknown", files_text(unknown)) };
    session.ui.text(format!("{total} tests in {known} of {component}{unknown}"));
    session.ui.json(&list);
    Ok(exit_code(&list))
}

fn files_text(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
