use cli_support::{CliError, ExitCode, TextStyle, exit_code};
use oar_core::operations::is_shipped::IsShipped;
use oar_core::operators::shipped::ShippedReport;

use crate::release::Release;

/// Show whether the release is shipped, and what is missing if it is not
///
/// Exit code 0 means shipped, 1 not shipped. Any other means unknown, because a service could not be reached.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let report = release.perform(IsShipped {}).await?;
    let ui = &release.session.ui;
    ui.json(&report);
    if let Some(class) = report.unknown {
        let message = format!(
            "whether {} is shipped is unknown, because this is not known: {}",
            release.version,
            report.not_known.join(", ")
        );
        let hint = "Fix what the result says about each, or wait until the service answers; then run the same command again.";
        ui.explain(&CliError::new(class, message).with_hint(hint));
    }
    ui.text(render(&release.version.to_string(), &report));
    Ok(exit_code(&report))
}

fn render(release: &str, report: &ShippedReport) -> String {
    let verdict = match report.shipped {
        Some(true) => TextStyle::Good.paint("shipped"),
        Some(false) => TextStyle::Attention.paint("not shipped"),
        None => TextStyle::Bad.paint("unknown, because not everything could be read"),
    };
    let width = report.details.keys().map(String::len).max().unwrap_or(0);
    let mut lines = vec![format!("{release} ({}): {verdict}", report.flow_type)];
    lines.extend(report.details.iter().map(|(key, words)| format!("  {key:<width$}  {words}")));
    lines.join("\n")
}
