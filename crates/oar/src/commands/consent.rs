use cli_support::{CliError, ExitCode, checks, complete, steps};
use oar_core::flow::outcome::PlanSummary;
use oar_core::operations::consent::{Answer, ConsentOutcome, CriticalTask, GiveConsent};
use oar_core::statebox::ConsentView;

use crate::release::Release;
use crate::report::DryRunArgs;

/// Consent to the plan of a critical task, for one run and what follows it within 24 hours
///
/// A program that may not consent itself, such as the MCP server, can then make one run of the task, if its plan is
/// still exactly the one that is shown. Nothing is done by this command itself. `oar status` shows a valid consent.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The critical task, for example push-to-cdn-staging
    #[arg(value_name = "TASK", add = complete::critical_tasks())]
    task: CriticalTask,
    /// Withdraw every consent to the task that is still valid or covers what follows
    #[arg(long)]
    withdraw: bool,
    #[command(flatten)]
    change: DryRunArgs,
    /// Continue without asking; required if there is no terminal
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { task, withdraw, change, yes } = args;
    let operation = GiveConsent { task, withdraw, dry_run: change.dry_run };
    let answer = release.session.perform(operation, &release.call(yes)?).await?;
    let ui = &release.session.ui;
    ui.json(&answer);
    // Whoever was asked has seen it.
    if let Some(plan) = answer.plan.as_ref().filter(|_| yes || answer.dry_run) {
        ui.text(shown(&answer, plan));
    }
    ui.text(result(&answer));
    Ok(ExitCode::Done)
}

fn shown(answer: &Answer, plan: &PlanSummary) -> String {
    let mut lines = checks(&plan.checks);
    lines.push(format!("{} of {} will:", answer.command, answer.release));
    lines.extend(steps(&plan.steps));
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn result(answer: &Answer) -> String {
    let Answer { release, command, outcome, detail, next, plan, consents, dry_run, .. } = answer;
    let of = format!("{command} of {release}");
    let by = |consent: &ConsentView| format!("{} at {}", consent.by, consent.at);
    let given: Vec<String> = consents.iter().map(by).collect();
    let given = given.join(", ");
    let until = consents.first().map(|consent| consent.until.as_str()).unwrap_or_default();
    match (outcome, dry_run) {
        (ConsentOutcome::Given, true) => format!("dry run: the consent to {of} would be recorded"),
        (ConsentOutcome::Given, false) => {
            let follows = if plan.as_ref().is_some_and(|plan| !plan.later.is_empty()) {
                " and what follows it"
            } else {
                ""
            };
            format!("the consent to {of} is recorded: for one run with this plan{follows}, until {until}")
        }
        (ConsentOutcome::GivenBefore, _) => {
            format!("the consent to this plan of {of} is recorded already: by {given}, until {until}")
        }
        (ConsentOutcome::NothingToDo, _) => {
            let why = detail.as_deref().unwrap_or("everything is up to date");
            let next = next.as_ref().map(|next| format!("; to have that recorded: {next}"));
            format!("{of} has nothing to do that needs consent: {why}{}", next.unwrap_or_default())
        }
        (ConsentOutcome::Withdrawn, true) => {
            format!("dry run: the consent to {of} by {given} would be withdrawn")
        }
        (ConsentOutcome::Withdrawn, false) => format!("the consent to {of} by {given} is withdrawn"),
        (ConsentOutcome::NothingToWithdraw, _) => {
            format!("there is no valid consent to {of} to withdraw")
        }
    }
}
