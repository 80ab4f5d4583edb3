use agent::{AgentRecord, Problem, Supervised, SupervisedRecord, records, supervised_record};
use cli_support::{CliError, ExitCode, Session};
use oar_core::clock::stamp;
use serde::Serialize;

use super::configured;

/// Show each agent with its last pass, next pass and last problem
///
/// Lists the agents of the configuration document, and others that made passes on this machine, from cron for example. What
/// agents on other machines do is not known here.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// An agent as it is listed.
#[derive(Debug, Serialize)]
struct Row {
    /// What it runs and how often; `None` for one that is not configured.
    run: Option<String>,
    every: Option<u64>,
    #[serde(flatten)]
    passes: AgentRecord,
    supervised: Option<SupervisedRecord>,
    /// Whether the agent's process lives; `None` when that cannot be seen from here.
    running: Option<bool>,
}

impl Row {
    fn new(configured: Option<&Supervised>, passes: AgentRecord, session: &Session) -> Self {
        Self {
            run: configured.map(|agent| agent.command.join(" ")),
            every: configured.map(|agent| agent.every),
            supervised: supervised_record(session, &passes.name),
            running: passes.is_running(),
            passes,
        }
    }
}

pub(super) fn run(session: &Session) -> Result<ExitCode, CliError> {
    let mut found = records(session);
    let configured = match configured(session) {
        Ok(agents) => agents,
        // Those that cron starts are shown all the same.
        Err(_) if !found.is_empty() => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut rows: Vec<Row> = Vec::new();
    for agent in configured {
        let place = found.iter().position(|record| record.name == agent.name);
        let passes = place.map(|place| found.remove(place));
        let unseen = || AgentRecord { name: agent.name.clone(), ..AgentRecord::default() };
        rows.push(Row::new(Some(&agent), passes.unwrap_or_else(unseen), session));
    }
    rows.extend(found.into_iter().map(|passes| Row::new(None, passes, session)));
    for row in &rows {
        show(session, row);
    }
    session.ui.json(&rows);
    Ok(ExitCode::Done)
}

fn show(session: &Session, row: &Row) {
    let line = |text: String| session.ui.text(text);
    let passes = &row.passes;
    line(match (&row.run, row.every) {
        (Some(run), Some(every)) => format!("{}: {run} every {every} s", passes.name),
        _ => passes.name.clone(),
    });
    line(format!("  last pass: {}", last_pass(row)));
    line(format!("  next pass: {}", next_pass(row, session)));
    let problem = |problem: &Problem| format!("{}: {}", stamp(problem.at), problem.text);
    line(format!(
        "  last problem: {}",
        passes.last_problem.as_ref().map_or_else(|| "none".to_owned(), problem)
    ));
    if let Some(end) = row.supervised.as_ref().and_then(|known| known.last_end.as_ref()) {
        line(format!("  last restart: {}", problem(end)));
    }
}

fn last_pass(row: &Row) -> String {
    let passes = &row.passes;
    match (passes.last_pass, passes.last_pass_ended) {
        (None, _) => "none".to_owned(),
        (Some(began), None) if row.running == Some(false) => {
            format!("{}, ended before it was done", stamp(began))
        }
        (Some(began), None) => format!("{}, not ended", stamp(began)),
        (Some(began), Some(_)) if passes.problems == 0 => format!("{}, good", stamp(began)),
        (Some(began), Some(_)) => format!("{}, {} problems", stamp(began), passes.problems),
    }
}

/// When the next pass is. What a process planned that does not live will not be done; where it cannot be seen whether it lives, a
/// time that is over says the same.
fn next_pass(row: &Row, session: &Session) -> String {
    let now = session.clock.now();
    let AgentRecord { stands_by, next_pass, repeats, .. } = row.passes;
    let restart = row.supervised.as_ref().and_then(|known| known.next_start).filter(|next| *next >= now);
    let lives = row.running == Some(true);
    let planned = next_pass.filter(|next| lives || (row.running.is_none() && *next >= now));
    match restart.or(planned) {
        Some(next) => stamp(next),
        None if lives && stands_by => "when another program leaves its turn".to_owned(),
        None if lives && repeats => "after this one".to_owned(),
        None if repeats || row.run.is_some() => "none; it is not running".to_owned(),
        None => "not planned".to_owned(),
    }
}
