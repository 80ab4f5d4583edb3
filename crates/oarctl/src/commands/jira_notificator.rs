//! `oarctl jira-notificator`: tells the people of bugs that wait in `ON_QA`.

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, TextStyle, Ui, exit_code};
use oar_core::agents::notificator::{Explanation, PassReport, StepReport, StepResult};
use oar_core::error::ErrorClass;
use oar_core::ids::IssueKey;
use oar_core::operations::jira_notificator::{Answer, Day, JiraNotificator, PAGE_SIZE, day};
use oar_core::operations::perform;

/// Tell the people of bugs that wait in ON_QA, step by step
///
/// After each weekday without an answer the next one is told by a comment and asked for information: the QA contact,
/// the QA contact again, the QA contact's manager; then the bug gets the label ert:pending-onqa-over-96hrs. Where one of
/// them is missing, the assignee or the reporter is told. Bugs whose pull requests were verified before the merge, and
/// bugs with the snooze label, are left alone. Exit code 1 when something failed for a bug.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only bugs that became ON_QA on this day or later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    from_date: Option<Day>,
    /// How many bugs a page of the search has
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = PAGE_SIZE,
        value_parser = clap::value_parser!(u8).range(1..=100)
    )]
    search_batch_size: u8,
    /// Say why this bug is treated as it is and what comes next; change nothing
    #[arg(long, value_name = "KEY", conflicts_with_all = ["interval", "from_date"])]
    explain: Option<IssueKey>,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    schedule: Schedule,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { from_date, search_batch_size, explain, dry_run, schedule } = args;
    let notificator = JiraNotificator { from_date, search_batch_size, explain, dry_run };
    let clients = session.clients()?;
    notificator.check(&clients).map_err(|error| CliError::of_task(&error))?;
    if notificator.explain.is_some() {
        let call = session.call_with(clients, false);
        let answer = session.perform(notificator, &call).await?;
        show(&session.ui, &answer, from_date);
        session.ui.json(&answer);
        return Ok(exit_code(&answer));
    }
    let agent = Agent {
        program: "oarctl",
        role: "jira-notificator",
        scope: "ocpbugs",
        about: "",
        dry_run,
        one_at_a_time: false,
        parts: &[],
        leases: &clients,
        activity: clients.http().activity(),
    };
    schedule
        .run(session, agent, || async {
            let call = session.call_with(clients.clone(), false);
            let mut pass = Pass::default();
            match perform(notificator.clone(), &call).await {
                Ok(answer) => {
                    if let Answer::Pass(report) = &answer {
                        for issue in report.issues.iter().filter(|issue| issue.fails()) {
                            let failures: Vec<String> = issue.failures().map(|(text, _)| text).collect();
                            pass.add_problem(
                                format!("{}: {}", issue.issue, failures.join("; ")),
                                ErrorClass::Failed,
                            );
                        }
                        pass.started = report.told;
                    }
                    show(&session.ui, &answer, from_date);
                    session.ui.json(&answer);
                }
                Err(error) => {
                    session.ui.fail(&CliError::of_task(&error));
                    pass.add_problem(error.inner().to_string(), error.inner().class());
                }
            }
            pass
        })
        .await
}

fn show(ui: &Ui, answer: &Answer, from: Option<Day>) {
    match answer {
        Answer::Pass(report) => show_pass(ui, report, from),
        Answer::Explained(explanation) => show_explanation(ui, explanation),
    }
}

fn show_pass(ui: &Ui, report: &PassReport, from: Option<Day>) {
    for issue in &report.issues {
        // What failed is an error, and said once.
        let done = issue.steps.iter().filter(|step| step.result != StepResult::Failed);
        let words: Vec<String> = done.map(StepReport::words).collect();
        let key = TextStyle::Strong.paint(&issue.issue);
        if !words.is_empty() {
            ui.text(format!("{key}: {}", words.join("; ")));
        } else if !issue.fails() {
            ui.text(format!("{key}: {}", issue.state));
        }
        for (failure, next) in issue.failures() {
            let error = CliError::new(ErrorClass::Failed, format!("{}: {failure}", issue.issue));
            ui.explain(&error.with_hint(next.map_or_else(|| next_pass(&issue.issue), str::to_owned)));
        }
    }
    for (row, count) in &report.rows {
        ui.text(format!("{count:>5}  {row}"));
    }
    ui.text(summary(report, from));
}

/// `from` is the day before which nothing was looked at.
fn summary(report: &PassReport, from: Option<Day>) -> String {
    let bugs = if report.selected == 1 { "bug waits" } else { "bugs wait" };
    let done = if report.dry_run {
        "nothing was changed".to_owned()
    } else {
        format!("comments written: {}; failed: {}", report.told, report.failed)
    };
    let ended = if report.signal.is_some() { "ended before it was done: " } else { "" };
    let since = from.map(|day| format!(" since {day} or later")).unwrap_or_default();
    format!("{ended}{} {bugs} in ON_QA{since}; {done}", report.selected)
}

/// What comes after a failure for which nobody knows better.
fn next_pass(issue: &IssueKey) -> String {
    format!(
        "The next pass tries again. `oarctl jira-notificator --explain {issue}` shows what is due for this bug."
    )
}

fn show_explanation(ui: &Ui, explanation: &Explanation) {
    let row = explanation.row.map(|row| format!(" (row {row})")).unwrap_or_default();
    ui.text(format!("{}: {}{row}", TextStyle::Strong.paint(&explanation.issue), explanation.state));
    if let Some(why) = &explanation.left_out {
        ui.text(format!("  left out: {why}"));
    }
    if let Some(since) = &explanation.on_qa_since {
        ui.text(format!("  in ON_QA since {since}"));
    }
    for told in &explanation.told {
        let counts = if told.counts { "" } else { " (before it became ON_QA; does not count)" };
        ui.text(format!("  told {} at {}{counts}", told.whom, told.at));
    }
    ui.text(format!("  pull requests: {}", explanation.verification));
    if let Some(now) = explanation.now_words() {
        ui.text(format!("  now: {now}"));
    }
    ui.text(format!("  next: {}", explanation.next_words()));
}

#[cfg(test)]
mod tests {
    use oar_core::flow::interrupt::Signal;

    use super::*;

    #[test]
    fn a_pass_that_was_stopped_does_not_look_like_a_whole_one() {
        let whole = PassReport { selected: 6, told: 2, ..PassReport::default() };
        assert_eq!(summary(&whole, None), "6 bugs wait in ON_QA; comments written: 2; failed: 0");
        let later = summary(&whole, Some("2026-07-01".parse().unwrap()));
        assert!(later.starts_with("6 bugs wait in ON_QA since 2026-07-01 or later;"), "{later}");
        let stopped = PassReport { signal: Some(Signal::Terminate), ..whole };
        assert!(summary(&stopped, None).starts_with("ended before it was done: 6 bugs wait"));
    }
}
