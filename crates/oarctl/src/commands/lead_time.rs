use cli_support::{CliError, ExitCode, Session, TextStyle, counted, exit_code, shares};
use oar_core::clock::duration_words;
use oar_core::operations::oarctl::lead_time::{Answer, LeadTime};

/// Show where the time of finished releases went, from StateBox to approval
///
/// Reads the StateBox of every release. A release counts when it is approved; its time is divided among our tools, people who
/// were waited for, other systems, and nobody looking. Exit code 4: a file could not be read, and is named.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only releases that were approved on this day or later, such as 2026-06-01 (UTC)
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let answer = session.perform(LeadTime { since: args.since }, &session.call(false)?).await?;
    session.ui.json(&answer);
    session.ui.text(render(&answer));
    for unknown in &answer.unknown {
        session.ui.problem(format!("{}: {}", unknown.release, unknown.why));
    }
    Ok(exit_code(&answer))
}

fn render(answer: &Answer) -> String {
    let mut lines = Vec::new();
    for one in &answer.releases {
        let name = TextStyle::Strong.paint(format!("{:<14}", one.release.to_string()));
        lines.push(format!("{name}  {}  {:>12}", one.approved, duration_words(one.seconds)));
    }
    let count = counted(answer.releases.len(), "release");
    lines.push(match (answer.median, answer.p90) {
        (Some(median), Some(p90)) => {
            format!(
                "{count}: median {}, one in ten longer than {}",
                duration_words(median),
                duration_words(p90)
            )
        }
        _ => format!("{count} with a known approval"),
    });
    if !answer.releases.is_empty() {
        lines.extend(shares(&answer.totals));
    }
    if answer.unfinished > 0 {
        lines.push(format!(
            "not counted (not approved, or without the time of the approval): {}",
            answer.unfinished
        ));
    }
    lines.join("\n")
}
