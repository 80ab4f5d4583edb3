//! Waits for a run on behalf of a call: progress, cancellation, and the run's id when it takes long.

use std::sync::Arc;

use oar_core::redact::Redactor;
use serde_json::json;
use tokio::time::Instant;

use super::CallContext;
use super::progress::{self, Reporter};
use super::runs::{Run, Runs, WAITED_FOR};
use crate::result::{Answer, ToolFailure, part};
use crate::tools::{Arguments, Kind, Tool, shown};
use crate::transport::Outcome;

/// Stops a run that nobody waits for any more.
struct StopOnDrop<'a>(Option<&'a Run>);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.0 {
            run.stop("the caller is gone", Outcome::Cancelled);
        }
    }
}

/// Waits for a run that this call began.
pub(super) async fn attend(
    runs: &Runs,
    tool: &Tool,
    run: &Arc<Run>,
    context: &CallContext,
    redactor: &Redactor,
) -> Answer {
    context.trail.runs(&run.id);
    let mut guard = StopOnDrop(Some(run));
    let ended = wait(runs, run, context, true, redactor).await;
    let answer = match ended {
        Some(answer) => Some(answer),
        None if runs.keep(run) => None,
        // It has ended in this moment.
        None => run.ended(),
    };
    guard.0 = None;
    let Some(answer) = answer else {
        context.trail.ended(Outcome::Continues);
        return goes_on(tool, run, redactor);
    };
    context.trail.ended(run.outcome(&answer));
    Arc::unwrap_or_clone(answer)
}

/// The answer of a call whose run goes on.
fn goes_on(tool: &Tool, run: &Run, redactor: &Redactor) -> Answer {
    let newest = run.newest().into_iter().find(|text| !text.is_empty());
    let newest = newest.map(|text| redactor.redact(&text).into_owned());
    let next = "call get_run with this run_id until it has finished; with `stop` as true it stops.";
    if tool.kind == Kind::Operation {
        let mut document = json!({ "run_id": run.id, "state": "running", "next": next });
        if let Some(newest) = newest {
            document["so_far"] = newest.into();
        }
        return Answer::Document {
            document,
            whole: None,
            ok: true,
            untrusted: tool.is_untrusted,
            fits: true,
        };
    }
    let mut text = format!(
        "… {} still runs after {} seconds, and goes on.\nrun_id: {}\nNext: {next}",
        tool.name,
        WAITED_FOR.as_secs(),
        run.id
    );
    if let Some(newest) = newest {
        text.push_str("\nSo far: ");
        text.push_str(&newest);
    }
    // Every key of these documents is promised to existing clients, so what has none of them yet is no success.
    let ok = !matches!(tool.kind, Kind::Document(_));
    Answer::Text { text, ok, untrusted: tool.is_untrusted }
}

/// Waits for the end of a run; `None` when it goes on. A cancellation stops the run where it is `own`, and otherwise only
/// the waiting. While the server ends, the waiting lasts until the run has ended or was told to stop.
async fn wait(
    runs: &Runs,
    run: &Arc<Run>,
    context: &CallContext,
    own: bool,
    redactor: &Redactor,
) -> Option<Arc<Answer>> {
    let mut reporter = Reporter::new(context.progress.clone(), redactor.clone());
    let until = Instant::now() + WAITED_FOR;
    let end = run.end();
    tokio::pin!(end);
    let mut is_cancelled = false;
    loop {
        let is_late = Instant::now() >= until && !is_cancelled;
        if is_late && !run.is_asking() && !runs.is_ending() {
            return None;
        }
        let pause = if reporter.is_wanted() || is_late {
            progress::PACE
        } else {
            until.saturating_duration_since(Instant::now()).max(progress::PACE)
        };
        tokio::select! {
            biased;
            answer = &mut end => return Some(answer),
            () = context.cancelled.cancelled(), if !is_cancelled => {
                if !own {
                    return None;
                }
                is_cancelled = true;
                run.stop("cancelled by the caller", Outcome::Cancelled);
            }
            () = tokio::time::sleep(pause) => reporter.look(run),
        }
    }
}

/// `get_run`.
pub(super) async fn follow(
    runs: &Runs,
    arguments: &Arguments,
    context: &CallContext,
    redactor: &Redactor,
) -> Answer {
    let id = arguments.text("run_id").unwrap_or_default().trim();
    let Some(run) = runs.find(id, &context.caller.name) else {
        return ToolFailure::usage(
            "get_run found nothing",
            format!("no run `{}` of {} is known; results are kept for an hour, and not when the server is started anew", shown(id), context.caller.name),
            "Look at the release's status: its state names every run.",
        )
        .into();
    };
    let untrusted = run.is_untrusted();
    if arguments.flag("stop") && run.ended().is_none() {
        run.stop(&format!("{} stopped it", context.caller.name), Outcome::Cancelled);
    }
    let Some(answer) = wait(runs, &run, context, false, redactor).await else {
        let newest: Vec<_> = run.newest().into_iter().filter(|text| !text.is_empty()).collect();
        let newest =
            if newest.is_empty() { "nothing was reported yet".to_owned() } else { newest.join("\n") };
        let state = if run.why_stopped().is_some() { "is being stopped" } else { "still runs" };
        let text = format!("… {} {state}. So far:\n{newest}", run.tool);
        let text = redactor.redact(&text).into_owned();
        return Answer::Run { run: run.id.clone(), is_finished: false, text, ok: true, untrusted };
    };
    let offset = arguments.count("offset");
    let text = match (offset, run.result()) {
        (Some(offset), Some(whole)) => part(&whole, offset),
        _ => answer.text(),
    };
    Answer::Run {
        run: run.id.clone(),
        is_finished: true,
        text,
        ok: answer.is_ok(),
        untrusted: untrusted || answer.is_untrusted(),
    }
}
