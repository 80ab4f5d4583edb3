use cli_support::{CliError, ExitCode, Session, TextStyle, cut, exit_code};
use oar_core::operations::Conclusion as _;
use oar_core::operations::releases::{Answer, Releases};
use oar_core::tasks::active_releases::{Concern, ReleaseRow, Standing};
use unicode_width::UnicodeWidthStr;

/// The width of the report, in columns.
const WIDTH: usize = 100;
/// The column at which the details of a release start.
const INDENT: usize = 4;

/// Show the active releases: what is blocked or late first
///
/// The newest release of a y-stream stays active until a day after its date when it is approved; an older approved one is not
/// listed. One that is not approved is active however old its date is, and until two weeks after its date when its y-stream has
/// a newer release. The status is what the StateBox says; whether an approved release has shipped is asked of Errata Tool and
/// GitLab.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(session: &Session) -> Result<ExitCode, CliError> {
    let answer = session.perform(Releases {}, &session.call(false)?).await?;
    session.ui.json(&answer);
    session.ui.text(render(&answer));
    if let Some(class) = answer.class() {
        let is_unknown = |row: &&ReleaseRow| row.status == Standing::Unknown;
        let names: Vec<String> =
            answer.releases.iter().filter(is_unknown).map(|row| row.release.to_string()).collect();
        session
            .ui
            .explain(&CliError::new(class, format!("the StateBox of {} cannot be read", names.join(", "))));
    }
    Ok(exit_code(&answer))
}

fn render(answer: &Answer) -> String {
    let mut lines = Vec::new();
    for held in &answer.held {
        lines.push(format!("{} {}", TextStyle::Bad.paint("nothing begins:"), cut(&held.reason, WIDTH - 16)));
    }
    if answer.releases.is_empty() {
        lines.push("no release is active".to_owned());
    }
    let columns = |of: fn(&ReleaseRow) -> usize| answer.releases.iter().map(of).max().unwrap_or(0);
    let release = columns(|row| row.release.to_string().width());
    let date = columns(|row| row.countdown().width());
    for row in &answer.releases {
        lines.push(line(row, release, date));
        for concern in &row.concerns {
            let mark = match concern.kind {
                Concern::NonBlocking => TextStyle::Faint.paint(concern.kind.mark()),
                _ => TextStyle::Bad.paint(concern.kind.mark()),
            };
            let room = WIDTH - INDENT - concern.kind.mark().len() - 1;
            lines.push(format!("{}{mark} {}", " ".repeat(INDENT), cut(&concern.text, room)));
        }
    }
    lines.join("\n")
}

/// The first line of a release: version, status, date, phase.
fn line(row: &ReleaseRow, release: usize, date: usize) -> String {
    let tone = match row.status {
        Standing::Blocked | Standing::Unknown => TextStyle::Bad,
        Standing::InProgress => TextStyle::Attention,
        Standing::Complete | Standing::Shipped => TextStyle::Good,
        Standing::NotStarted => TextStyle::Faint,
    };
    let status = tone.paint(format!("{:<11}", row.status.words()));
    let countdown = format!("{:<date$}", row.countdown());
    let countdown = if row.overdue { TextStyle::Bad.paint(countdown) } else { countdown };
    let phase = if row.phase.is_empty() { "-".to_owned() } else { row.phase.join(", ") };
    let day = row.date.as_deref().unwrap_or("-");
    let used = release + 2 + 11 + 2 + 10 + 2 + date + 2;
    let phase = cut(&phase, WIDTH.saturating_sub(used));
    format!("{:<release$}  {status}  {day:<10}  {countdown}  {phase}", row.release.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oar_core::tasks::active_releases::ConcernRow;

    #[test]
    fn no_line_is_wider_than_a_hundred_columns() {
        let long = "ü".repeat(300);
        let row = ReleaseRow {
            release: "4.22.0-rc.10".parse().unwrap(),
            status: Standing::NotStarted,
            phase: vec!["image-consistency-check".to_owned(); 7],
            date: Some("2026-07-06".to_owned()),
            days: Some(-1000),
            overdue: true,
            concerns: [
                Concern::Unknown,
                Concern::Held,
                Concern::Blocker,
                Concern::TaskFailed,
                Concern::NonBlocking,
            ]
            .map(|kind| ConcernRow::new(kind, &long))
            .to_vec(),
        };
        let held = vec![oar_core::tasks::status::HeldRow { reason: long, next: None }];
        let text = cli_support::plain(&render(&Answer { held, releases: vec![row] }));
        assert_eq!(text.lines().count(), 7);
        for line in text.lines() {
            assert!(line.width() <= WIDTH, "{}: {line}", line.width());
        }
    }
}
