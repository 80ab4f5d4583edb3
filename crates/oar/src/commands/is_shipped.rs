use cli_support::{CliError, ExitCode, Tone};
use oar_core::operators::shipped::ShippedReport;
use oar_core::tasks::is_shipped::is_shipped;

use crate::release::Release;

/// Show whether the release is shipped, and what is missing if it is not
///
/// Exit code 0 means shipped, 1 not shipped. Any other means unknown, because a service could not be asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let services = release.services().await?;
    let report = is_shipped(&services).await?;
    let ui = &release.session.ui;
    ui.json(&report);
    ui.text(render(&release.version.to_string(), &report));
    Ok(match report.unknown {
        Some(class) => class.into(),
        None if report.shipped => ExitCode::Done,
        None => ExitCode::Failed,
    })
}

fn render(release: &str, report: &ShippedReport) -> String {
    let verdict = match (report.shipped, report.unknown) {
        (true, _) => Tone::Good.paint("shipped"),
        (false, None) => Tone::Attention.paint("not shipped"),
        (false, Some(_)) => Tone::Bad.paint("unknown, because not everything could be read"),
    };
    let width = report.details.keys().map(String::len).max().unwrap_or(0);
    let mut lines = vec![format!("{release} ({}): {verdict}", report.flow_type)];
    lines.extend(report.details.iter().map(|(key, words)| format!("  {key:<width$}  {words}")));
    lines.join("\n")
}
