use cli_support::{CliError, ExitCode, Ui, complete};
use oar_core::operations::decide::{Answer, Decide, DecisionOutcome};
use oar_core::statebox::{NodeName, Verdict};

use crate::release::Release;
use crate::report::DryRunArgs;

/// Record what you decide about a task or checkpoint of the release: accept, reject or wait
///
/// For example that a build is accepted although a test failed. The decision is recorded with who, when and why, and stays in the
/// history. It changes no status itself; `oar drive --once` and `oarctl drive` record accept and reject of a build as its
/// result, which `--withdraw` does not undo.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task or checkpoint, for example analyze-promoted-build
    #[arg(value_name = "NODE", add = complete::nodes())]
    node: NodeName,
    /// `accept`, `reject` or `wait`
    #[arg(value_name = "VERDICT", required_unless_present = "withdraw", add = complete::verdicts())]
    verdict: Option<Verdict>,
    /// The reason, which everybody can read
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    reason: Option<String>,
    /// The address of what the decision rests on
    #[arg(long, value_name = "URL")]
    evidence: Option<String>,
    /// Take back the decision about the node
    #[arg(long, conflicts_with_all = ["verdict", "reason", "evidence"])]
    withdraw: bool,
    #[command(flatten)]
    change: DryRunArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { node, verdict, reason, evidence, withdraw, change } = args;
    let operation = Decide { node, verdict, reason, evidence, withdraw, dry_run: change.dry_run };
    let answer = release.perform(operation).await?;
    show(&release.session.ui, &answer);
    Ok(ExitCode::Done)
}

pub(super) fn show(ui: &Ui, answer: &Answer) {
    ui.json(answer);
    let Answer { release, node, outcome, decisions, dry_run, .. } = answer;
    let words: Vec<String> = decisions.iter().map(ToString::to_string).collect();
    let words = words.join("\n");
    let back = decisions.iter().find_map(|decision| decision.withdrawn.as_ref());
    let back = back.map(|back| format!(" by {} at {}", back.by, back.at)).unwrap_or_default();
    ui.text(match (outcome, dry_run) {
        (DecisionOutcome::Recorded, false) => format!("recorded for {release}: {words}"),
        (DecisionOutcome::Recorded, true) => format!("dry run: would be recorded for {release}: {words}"),
        (DecisionOutcome::RecordedBefore, _) => format!("recorded already for {release}: {words}"),
        (DecisionOutcome::Withdrawn, false) => format!("taken back{back}: {words}"),
        (DecisionOutcome::Withdrawn, true) => format!("dry run: would be taken back: {words}"),
        (DecisionOutcome::NothingToWithdraw, _) => {
            format!("nothing about {node} of {release} is to be taken back")
        }
    });
}
