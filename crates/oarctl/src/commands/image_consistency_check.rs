//! `oarctl image-consistency-check`: the images of a payload and those of its shipment.

use std::num::NonZeroU64;

use cli_support::{CliError, ExitCode, Session, TextStyle, exit_code, merge_request};
use oar_core::ids::PullSpec;
use oar_core::operations::payload_consistency::PayloadConsistency;
use oar_core::operators::image_consistency::{
    ConsistencyReport, Counts, FoundIn, ImageFacts, ImageFinding, MatchedBy, Verdict,
};

/// The error about a payload that consists of nothing but the operating system.
const NOTHING_TO_CHECK: &str = "the payload has no image that is checked";

/// Check whether the images of a payload are those of its shipment
///
/// An image passes when its list digest, its digest or its label vcs-ref is that of an image in the shipment, or when
/// the public catalog has it. Images of the operating system (rhel-coreos, machine-os-content) are not checked. Private
/// images are read with the logins of podman or docker. Exit code 0: all images pass; 1: an image is in neither; 4: something
/// that a verdict needs could not be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pull spec of the payload
    #[arg(short, long, value_name = "PULLSPEC")]
    payload_url: PullSpec,
    /// Number of the shipment merge request
    #[arg(short, long, value_name = "NUMBER", value_parser = merge_request, allow_negative_numbers = true)]
    mr_id: NonZeroU64,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let check = PayloadConsistency { payload_url: args.payload_url, mr_id: args.mr_id };
    let report = session.perform(check, &session.call(false)?).await?;
    let ui = &session.ui;
    ui.json(&report);
    for note in &report.notes {
        ui.warn(note);
    }
    ui.text(render(&report));
    if report.counts.checked == 0 {
        ui.problem(NOTHING_TO_CHECK);
    } else if report.counts.unknown > 0 {
        let (unknown, checked) = (report.counts.unknown, report.counts.checked);
        ui.problem(format!(
            "{unknown} of {checked} images could not be checked; the reasons are in the result"
        ));
    }
    Ok(exit_code(&report))
}

fn render(report: &ConsistencyReport) -> String {
    let counts = &report.counts;
    let verdict = match counts {
        Counts { inconsistent: 1.., .. } => TextStyle::Bad.paint("inconsistent"),
        _ if report.consistent => TextStyle::Good.paint("consistent"),
        Counts { checked: 0, .. } => TextStyle::Bad.paint("unknown, because no image was checked"),
        _ => TextStyle::Bad.paint("unknown, because not everything could be read"),
    };
    let mut lines = vec![format!("{} and {}: {verdict}", report.version, report.merge_request)];
    lines.push(format!("  {}", summary(counts, report.skipped.len())));
    let told: Vec<&ImageFinding> = report.images.iter().filter(|image| is_news(image)).collect();
    let width = told.iter().map(|image| image.name.len()).max().unwrap_or(0);
    for image in told {
        let indent = " ".repeat(width + 4);
        let (word, style, details) = describe(image);
        let mut details = details.into_iter();
        let first = details.next().unwrap_or_default();
        lines.push(format!("  {:<width$}  {}  {first}", image.name, style.paint(word)));
        lines.extend(details.map(|detail| format!("{indent}{detail}")));
    }
    lines.join("\n")
}

/// Whether there is more to say of an image than that it is found.
fn is_news(image: &ImageFinding) -> bool {
    match &image.verdict {
        Verdict::Consistent(FoundIn::Shipment { by, .. }) => *by == MatchedBy::VcsRef,
        Verdict::Consistent(FoundIn::Catalog) => false,
        Verdict::Inconsistent { .. } | Verdict::Unknown { .. } => true,
    }
}

fn summary(counts: &Counts, skipped: usize) -> String {
    let images = if counts.checked == 1 { "image" } else { "images" };
    let mut parts = vec![format!("{} in the shipment", counts.in_shipment)];
    for (count, words) in [
        (counts.in_catalog, "in the public catalog"),
        (counts.inconsistent, "in neither"),
        (counts.unknown, "unknown"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    let skipped = if skipped > 0 { format!("; {skipped} not checked") } else { String::new() };
    format!("{} {images}: {}{skipped}", counts.checked, parts.join(", "))
}

fn describe(image: &ImageFinding) -> (&'static str, TextStyle, Vec<String>) {
    match &image.verdict {
        Verdict::Consistent(FoundIn::Shipment { component, .. }) => {
            let detail = format!("built from the same commit as {component}, with another digest");
            ("same commit", TextStyle::Attention, vec![detail])
        }
        Verdict::Consistent(FoundIn::Catalog) => ("released", TextStyle::Good, Vec::new()),
        Verdict::Unknown { why } => ("unknown", TextStyle::Attention, vec![why.clone()]),
        Verdict::Inconsistent { similar } => {
            let mut details = vec![image.pull_spec.clone().unwrap_or_default()];
            details.extend(facts(&image.facts));
            for other in similar {
                details.push(format!("the shipment has {} {}", other.component, other.pull_spec));
                details.extend(facts(&other.facts).map(|facts| format!("  {facts}")));
            }
            ("not shipped", TextStyle::Bad, details)
        }
    }
}

/// What distinguishes an image, for people; `None` when nothing is known.
fn facts(facts: &ImageFacts) -> Option<String> {
    let known = [("vcs-ref", &facts.vcs_ref), ("name", &facts.name), ("tag", &facts.tag)];
    let words: Vec<String> =
        known.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?))).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
