use cli_support::{CliError, ExitCode};
use oar_core::config::{Pending, ReleaseDate, ShipmentKind, ShipmentUrl};
use oar_core::email::EmailAddress;
use oar_core::ids::IssueKey;
use oar_core::operations::metadata::Metadata;

use crate::release::Release;

/// The text for something that ART has announced and not created yet.
const NOT_THERE_YET: &str = "not there yet";

/// Show the release's values in ART's build data
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let metadata = release.perform(Metadata {}).await?;
    let ui = &release.session.ui;
    if ui.is_json() {
        ui.json(&metadata);
        return Ok(ExitCode::Done);
    }
    let facts = &metadata.facts;
    let awaited = |pending: &Pending| facts.pending.contains(pending).then_some(NOT_THERE_YET);
    let mut lines = vec![
        line("release", &metadata.release.to_string()),
        line("flow", metadata.flow.as_str()),
        line("release date", &or_none(facts.release_date.as_ref().map(ReleaseDate::as_str))),
        line(
            "ART ticket",
            &or_none(facts.jira_ticket.as_ref().map(IssueKey::as_str).or(awaited(&Pending::Ticket))),
        ),
        line(
            "shipment MR",
            &or_none(facts.shipment_mr.as_ref().map(ShipmentUrl::as_str).or(awaited(&Pending::Shipment))),
        ),
        line("owner", &or_none(metadata.owner.as_ref().map(EmailAddress::expose))),
    ];
    lines.push(group(
        "advisories",
        facts.advisories.iter().map(|(kind, id)| (kind.as_str(), id.to_string())).chain(
            facts.pending.iter().filter_map(|pending| match pending {
                Pending::Advisory(kind) => Some((kind.as_str(), NOT_THERE_YET.to_owned())),
                Pending::Ticket | Pending::Shipment => None,
            }),
        ),
    ));
    if !facts.shipment_kinds.is_empty() {
        let live = |kind: &ShipmentKind| match kind.live_id {
            Some(id) => format!("live advisory {id}"),
            None => "no live advisory yet".to_owned(),
        };
        let kinds = facts.shipment_kinds.iter();
        lines.push(group("shipment", kinds.map(|kind| (kind.kind.as_str(), live(kind)))));
    }
    lines.push(group(
        "candidate builds",
        facts.candidate_builds.iter().map(|(arch, build)| (arch.as_str(), build.clone())),
    ));
    let foreign = facts.not_ours.iter();
    let foreign = foreign.map(|value| (value.field.as_str(), format!("{} of {}", value.value, value.origin)));
    if !facts.not_ours.is_empty() {
        lines.push(group("not its own", foreign));
    }
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
