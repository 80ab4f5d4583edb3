//! Performs an operation for a caller, and gives its result as a document.

use std::sync::Arc;

use cli_support::plain;
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::TaskError;
use oar_core::operations::{Call, Effect, NoConsent, Outcome, Row};
use oar_core::permit::WritePermit;
use serde_json::{Value, json};

use super::command::line_of;
use super::runs::Run;
use super::{CallContext, Inner, call_of};
use crate::consent::{CallerConsent, Said};
use crate::documents::bounds;
use crate::result::{Answer, ToolFailure};
use crate::tools::{Arguments, Tool};
use crate::transport;

/// Performs the operation of a tool.
pub(super) async fn run(
    inner: &Inner,
    run: &Arc<Run>,
    tool: &'static Tool,
    arguments: &Arguments,
    context: &CallContext,
) -> Answer {
    let Some(row) = tool.operation() else {
        return ToolFailure::new(ErrorClass::Failed, tool.name, "it has no operation", "").into();
    };
    let release = arguments.text("release");
    let call = match call_of(inner, tool, release, run) {
        Ok(call) => call,
        Err(failure) => return failure.into(),
    };
    if tool.is_decision(arguments)
        && let Err(answer) = decided(inner, run, tool, row, arguments, context, &call).await
    {
        return redacted(inner, *answer);
    }
    let call = if row.about.effect == Effect::Reads || tool.is_dry {
        call
    } else {
        // Consent is not the caller's to give: the operation looks for what a person recorded.
        call.permitted(WritePermit::granted_by_user_interface(), Arc::new(NoConsent))
    };
    let performed = row.perform(tool.operation_arguments(arguments), &call);
    let answer = match run.log.observe(performed).await {
        Ok(outcome) => finished(run, tool, outcome),
        Err(error) => failed(tool, release, &error),
    };
    redacted(inner, answer)
}

/// Whether a person lets this be recorded: standing consent of the document, or a form of the client. Otherwise the answer
/// is what would be recorded.
async fn decided(
    inner: &Inner,
    run: &Arc<Run>,
    tool: &'static Tool,
    row: &'static Row,
    arguments: &Arguments,
    context: &CallContext,
    call: &Call,
) -> Result<(), Box<Answer>> {
    let mut dry = tool.operation_arguments(arguments);
    dry["dry_run"] = true.into();
    let foreseen = row.perform(dry, call).await;
    let foreseen = foreseen.map_err(|error| Box::new(failed(tool, arguments.text("release"), &error)))?;
    if foreseen.class.is_some() {
        return Err(Box::new(finished(run, tool, foreseen)));
    }
    let consent = CallerConsent {
        caller: Arc::clone(&context.caller),
        tool: Some(tool.name),
        run: Arc::clone(run),
        clients: inner.clients.clone(),
        elicit: context.elicit.clone(),
    };
    if consent.is_standing() {
        return Ok(());
    }
    let line = on_one_line(&inner.redacted(&line_of(row.about.program, &tool.words(arguments))));
    let why = match consent.said(&format!("Let {} do this?\n\n{line}", context.caller.name)).await {
        Said::Yes => return Ok(()),
        Said::No => "a person declined it".to_owned(),
        Said::NotAsked(why) => {
            run.ends_as(transport::Outcome::WaitsForConsent);
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("it is a person's decision, and waits for consent{why}")
        }
    };
    let mut document = foreseen.document;
    document["error"] = format!("{} recorded nothing: {why}", tool.name).into();
    document["next"] = format!("A person runs it themselves: `{line}`.").into();
    Err(Box::new(document_answer(tool, document, None, false)))
}

/// What a caller wrote, as one line of a question to a person: it has no say in how the question looks.
fn on_one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The answer of an operation that had a result.
fn finished(run: &Run, tool: &'static Tool, outcome: Outcome) -> Answer {
    let Outcome { mut document, class, signal } = outcome;
    let why = match (run.why_stopped(), class) {
        (Some(why), _) => Some(format!(
            "stopped: {why}; what it had started elsewhere goes on, and the same call later finds it"
        )),
        (None, _) if signal.is_some() => Some("it was interrupted".to_owned()),
        (None, class) => class.map(|class| format!("{}; the result names it", words(class))),
    };
    if let Some(why) = &why {
        document["error"] = format!("{}: {why}", tool.name).into();
    }
    let whole = shorten(&mut document);
    document_answer(tool, document, whole, why.is_none())
}

/// What a class of an operation with a result means.
fn words(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Configuration | ErrorClass::Usage => "something that is needed is missing or wrong",
        ErrorClass::Unavailable => "something that matters could not be looked at",
        ErrorClass::Conflict => "somebody else is at it",
        ErrorClass::Blocked => "something stands in the way",
        ErrorClass::Failed => "something failed",
    }
}

/// The answer of an operation that had none.
fn failed(tool: &'static Tool, release: Option<&str>, error: &TaskError) -> Answer {
    let error = error.inner();
    let mut document = json!({ "error": format!("{}: {error}", tool.name) });
    if let Some(release) = release {
        document["release"] = release.into();
    }
    if let Some(next) = error.hint() {
        document["next"] = next.into();
    }
    document_answer(tool, document, None, false)
}

fn document_answer(tool: &'static Tool, document: Value, whole: Option<Value>, ok: bool) -> Answer {
    let fits = tool.fits(&document).inspect_err(|why| {
        if ok {
            tracing::error!("{}: its result is not as its schema says: {why}", tool.name);
        }
    });
    debug_assert!(!ok || fits.is_ok(), "{}: {fits:?}", tool.name);
    let untrusted = tool.is_untrusted;
    Answer::Document { document, whole: whole.map(Box::new), ok, untrusted, fits: fits.is_ok() }
}

fn redacted(inner: &Inner, mut answer: Answer) -> Answer {
    if let Answer::Document { document, whole, .. } = &mut answer {
        for document in std::iter::once(document).chain(whole.as_deref_mut()) {
            bounds::redact(document, &inner.session.redactor);
        }
    }
    answer
}

/// Leaves out of a plan what a reader with little room does not need: where each fact was read, what verdicts rest on, and
/// what is not set. The whole document, where something was left out.
fn shorten(document: &mut Value) -> Option<Value> {
    let whole = document.clone();
    let plan = if document.get("plan").is_some() { document.get_mut("plan")? } else { document };
    let plan = plan.as_object_mut().filter(|plan| plan.contains_key("nodes"))?;
    plan.remove("facts");
    for node in plan.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(node) = node.as_object_mut() {
            node.remove("evidence");
            node.retain(|_, value| !value.is_null());
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_wrote_has_no_say_in_how_a_question_looks() {
        let line = "oar decide --reason='known\n\n\tLet it  do\u{2028}this?\r\u{202e}on\u{85}'";
        assert_eq!(
            on_one_line(line),
            r"oar decide --reason='known Let it do\u{2028}this?\u{d}\u{202e}on\u{85}'"
        );
    }

    #[test]
    fn a_plan_is_short_and_its_whole_is_kept() {
        let plan = json!({
            "release": "4.19.1", "facts": [{"fact": "build-data"}],
            "nodes": [{"node": "promotion", "note": null, "evidence": [{"field": "x"}], "policy": "auto"}],
        });
        let short = json!({"release": "4.19.1", "nodes": [{"node": "promotion", "policy": "auto"}]});
        let mut alone = plan.clone();
        assert_eq!((shorten(&mut alone), &alone), (Some(plan.clone()), &short));
        let mut passed = json!({"runs": [], "plan": plan.clone()});
        assert_eq!(shorten(&mut passed), Some(json!({"runs": [], "plan": plan})));
        assert_eq!(passed, json!({"runs": [], "plan": short}));
        let mut other = json!({"plan": {"steps": [], "note": null}});
        let before = other.clone();
        assert_eq!((shorten(&mut other), other), (None, before));
    }
}
