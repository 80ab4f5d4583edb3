//! `oarctl tick`: one check of every wait that is due.

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, Ui, complete};
use oar_core::config::Credential;
use oar_core::notify::short_hash;
use oar_core::operations::perform;
use oar_core::operations::tick::{Answer, Tick};
use oar_core::version::ReleaseVersion;

/// The longest list of releases in an agent's name, in characters.
const LONGEST_SCOPE: usize = 60;

/// Continue waits of releases that are due; meant for a timer
///
/// Each wait was started, and consented to, by a command of `oar`. A wait is checked only when it is due and
/// no other process holds it. Without --release the newest eight releases of every supported y-stream are
/// checked, and waiting ones are shown. A problem with one release does not stop the others.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check only this release; may be repeated
    #[arg(short, long = "release", value_name = "VERSION", add = complete::releases())]
    releases: Vec<ReleaseVersion>,
    /// Print which waits are due and what would be done without doing it
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
        role: "tick",
        scope: &scope,
        about: "",
        parts: &[],
        dry_run,
        // Who is at a wait stands in the StateBox.
        one_at_a_time: false,
        leases: &clients,
        activity: clients.http().activity(),
    };
    let ui = &session.ui;
    schedule
        .run(session, agent, || async {
            let call = session.call_with(clients.clone(), false);
            let mut pass = Pass::default();
            match perform(Tick { release: releases.clone(), dry_run }, &call).await {
                Ok(answer) => {
                    show(ui, &answer, releases.is_empty());
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
pub(super) fn scope(releases: &[ReleaseVersion]) -> String {
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

fn show(ui: &Ui, answer: &Answer, all: bool) {
    for row in &answer.rows {
        ui.text(match &row.detail {
            Some(detail) => format!("{}: {}: {detail}", row.release, row.result),
            None => format!("{}: {}", row.release, row.result),
        });
    }
    if all && answer.rows.is_empty() {
        ui.text(format!("{} checked: nothing waits", cli_support::counted(answer.count, "release")));
    }
    ui.json(answer);
    // The rows say the same; this adds the next steps.
    ui.explain_failures("", &answer.failures);
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
