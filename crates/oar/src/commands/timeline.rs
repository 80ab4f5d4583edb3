use cli_support::{CliError, ExitCode, shares};
use oar_core::clock::duration_words;
use oar_core::operations::timeline::{Answer, ReleaseTimeline};

use crate::release::Release;

/// How many of the longest pieces of time are shown.
const PIECES: usize = 10;

/// Show where the time of the release went, as far as its StateBox tells
///
/// The time from the creation of the StateBox to the approval (or until now) is divided among our tools, people who were
/// waited for, other systems, and nobody looking. What the file cannot tell is listed below. With --output json all pieces are
/// shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(Args {}: Args, release: &Release) -> Result<ExitCode, CliError> {
    let answer = release.perform(ReleaseTimeline {}).await?;
    release.session.ui.json(&answer);
    release.session.ui.text(render(&answer));
    Ok(ExitCode::Done)
}

fn render(answer: &Answer) -> String {
    let timeline = &answer.timeline;
    let Some(began) = &timeline.began else {
        return format!("{}: the StateBox has no time", answer.release);
    };
    let end = if timeline.approved.is_some() { "approved" } else { "not approved yet" };
    let mut lines =
        vec![format!("{}: {} since {began}, {end}", answer.release, duration_words(timeline.seconds))];
    lines.extend(shares(&timeline.totals));
    let mut longest: Vec<_> = timeline.pieces.iter().collect();
    longest.sort_by_key(|piece| std::cmp::Reverse(piece.seconds));
    longest.truncate(PIECES);
    longest.sort_by(|one, other| one.from.cmp(&other.from));
    if !longest.is_empty() {
        lines.push("the longest pieces:".to_owned());
    }
    for piece in longest {
        let what = if piece.what.is_empty() { String::new() } else { format!(": {}", piece.what.join(", ")) };
        lines.push(format!(
            "  {}  {:>12}  {}{what}",
            piece.from,
            duration_words(piece.seconds),
            piece.share.text()
        ));
    }
    if !timeline.not_known.is_empty() {
        lines.push("not known:".to_owned());
        lines.extend(timeline.not_known.iter().map(|what| format!("  {what}")));
    }
    lines.join("\n")
}
