//! `oarctl drive`: advances every active release.

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, Ui, complete, counted};
use oar_core::config::Credential;
use oar_core::notify::short_hash;
use oar_core::operations::oarctl::drive::{Answer, DriveReleases, ReleaseRow};
use oar_core::operations::perform;
use oar_core::version::ReleaseVersion;

/// The longest list of releases in an agent's name, in characters.
const LONGEST_SCOPE: usize = 60;

/// Advance every active release as far as the policy allows; meant for a timer
///
/// Each step that can be done now is run, when the section `drive` of the configuration document leaves it to the engine
/// or a person has consented to its plan with `oar consent`. People are told in Slack what waits for them, each question
/// once. Waits of approvals are continued, and messages sent that could not be sent before. A problem with one release does not
/// stop the others. `oarctl tick`, which only did the latter, is the same command now.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Advance only this release; may be repeated
    #[arg(short, long = "release", value_name = "VERSION", add = complete::releases())]
    releases: Vec<ReleaseVersion>,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    schedule: Schedule,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { releases, dry_run, schedule } = args;
    let clients = session.clients()?;
    if schedule.is_check_only() {
        clients.settings().credentials().require(Credential::GithubToken)?;
    }
    let scope = scope(&releases);
    let agent = Agent {
        program: "oarctl",
        role: "drive",
        scope: &scope,
        about: "",
        parts: &[],
        dry_run,
        // Who is at a task stands in the StateBox.
        one_at_a_time: false,
        leases: &clients,
        activity: clients.http().activity(),
    };
    let ui = &session.ui;
    schedule
        .run(session, agent, || async {
            let call = session.call_with(clients.clone(), false);
            let mut pass = Pass::default();
            match perform(DriveReleases { release: releases.clone(), dry_run }, &call).await {
                Ok(answer) => {
                    show(ui, &answer, dry_run);
                    for (text, class, _) in answer.failures.iter() {
                        pass.add_problem(text, class);
                    }
                }
                Err(error) => {
                    ui.fail(&CliError::of_task(&error));
                    pass.add_problem(error.inner().to_string(), error.inner().class());
                }
            }
            pass
        })
        .await
}

/// What distinguishes this agent from others: a Lease's name is limited, so many releases stand in it as a hash.
fn scope(releases: &[ReleaseVersion]) -> String {
    let mut names: Vec<String> = releases.iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    let listed = names.join("-");
    match names.len() {
        0 => "all".to_owned(),
        _ if listed.len() <= LONGEST_SCOPE => listed,
        count => format!("{count}-releases-{}", short_hash(names.iter().map(String::as_str))),
    }
}

fn show(ui: &Ui, answer: &Answer, dry_run: bool) {
    for row in &answer.rows {
        ui.text(line(row, dry_run));
        for run in &row.runs {
            // Why a step failed stands among the failures, with what comes next.
            let detail = run.detail.as_ref().filter(|_| !(run.failed() && run.class.is_some()));
            let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            ui.text(format!("  {}: {}{detail}", run.node, run.result.text()));
            if let Some(allowed) = &run.allowed_by {
                ui.text(format!("    allowed by {allowed}"));
            }
        }
        row.notes.iter().for_each(|note| ui.text(format!("  {note}")));
        if dry_run {
            row.now.iter().for_each(|command| ui.text(format!("  would run {command}")));
        }
    }
    if answer.rows.is_empty() {
        ui.text("no release is active");
    }
    ui.json(answer);
    ui.explain_failures("", &answer.failures);
}

fn line(row: &ReleaseRow, dry_run: bool) -> String {
    let mut parts = Vec::new();
    if !row.held.is_empty() {
        parts.push(row.held.join("; "));
    } else if row.runs.is_empty() && !row.problems.is_empty() {
        parts.push(counted(row.problems.len(), "problem"));
    } else if !dry_run {
        parts.push(match row.runs.len() {
            0 => "nothing to do now".to_owned(),
            count => format!("{} run", counted(count, "step")),
        });
    }
    if row.questions > 0 {
        let told = if row.told > 0 { format!(" ({} told now)", row.told) } else { String::new() };
        parts.push(format!("{} for people{told}", counted(row.questions, "question")));
    }
    if row.unknown > 0 {
        parts.push(format!("{} unknown", counted(row.unknown, "fact")));
    }
    parts.extend(row.next_look.as_ref().map(|next| format!("next look {next}")));
    format!("{}: {}", row.release, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_releases_have_a_short_name_that_their_order_does_not_change() {
        let releases = |patches: &[u32]| -> Vec<ReleaseVersion> {
            patches.iter().map(|patch| format!("4.19.{patch}").parse().unwrap()).collect()
        };
        assert_eq!(scope(&[]), "all");
        assert_eq!(scope(&releases(&[2, 1, 2])), "4.19.1-4.19.2");
        let many: Vec<u32> = (1..40).collect();
        let name = scope(&releases(&many));
        let reversed: Vec<u32> = many.into_iter().rev().collect();
        assert!(name.starts_with("39-releases-") && name.len() < LONGEST_SCOPE, "{name}");
        assert_eq!(name, scope(&releases(&reversed)));
    }
}
