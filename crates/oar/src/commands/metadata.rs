use cli_support::{CliError, ExitCode};
use oar_core::config::{ReleaseDate, ShipmentUrl};
use oar_core::email::EmailAddress;

use crate::release::Release;

/// Show what the build data says about the release
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let config = release.config().await?;
    let metadata = config.metadata()?;
    let ui = &release.session.ui;
    if ui.is_json() {
        ui.json(&metadata);
        return Ok(ExitCode::Done);
    }
    let mut lines = vec![
        line("release", &metadata.release.to_string()),
        line("flow", metadata.flow.as_str()),
        line("release date", &or_none(metadata.release_date.map(ReleaseDate::as_str))),
        line("ART ticket", &or_none(metadata.jira_ticket)),
        line("shipment MR", &or_none(metadata.shipment_mr.map(ShipmentUrl::as_str))),
        line("owner", &or_none(metadata.owner.as_ref().map(EmailAddress::expose))),
    ];
    lines.push(group(
        "advisories",
        metadata.advisories.iter().map(|(kind, id)| (kind.as_str(), id.to_string())),
    ));
    lines.push(group(
        "candidate builds",
        metadata.candidate_builds.iter().map(|(arch, build)| (arch.as_str(), build.clone())),
    ));
    ui.text(lines.join("\n"));
    Ok(ExitCode::Done)
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<17} {value}")
}

fn or_none(value: Option<&str>) -> String {
    value.unwrap_or("none").to_owned()
}

fn group<'a>(name: &str, entries: impl Iterator<Item = (&'a str, String)>) -> String {
    let lines: Vec<String> = entries
        .enumerate()
        .map(|(index, (key, value))| line(if index == 0 { name } else { "" }, &format!("{key:<10} {value}")))
        .collect();
    if lines.is_empty() { line(name, "none") } else { lines.join("\n") }
}
