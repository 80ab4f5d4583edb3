//! Changes of the build data by ART since the StateBox was created or last compared: they are shown and
//! saved, or need consent.

use super::call::Call;
use super::task_run::Change;
use crate::error::{Classified as _, ErrorClass};
use crate::flow::consent::{Allows, Question};
use crate::flow::outcome::{PlanSummary, Refusal, Step, TaskError};
use crate::statebox::{MetadataChange, State, StateBox, StateBoxError, TaskName};
use crate::tasks::ReleaseContext;

/// Compares the state that was just read with the build data, and has the next write save the changes.
/// Returns notes for the caller.
///
/// If the release was already owned, pushed or moved, a changed identifier needs consent, because earlier
/// tasks may have to run again.
pub(super) async fn compare(
    call: &Call,
    statebox: &StateBox,
    services: &ReleaseContext,
    command: (&str, TaskName),
    change: Change,
    loaded: &Result<Option<State>, StateBoxError>,
) -> Result<Vec<String>, TaskError> {
    let Ok(Some(state)) = loaded else { return Ok(Vec::new()) };
    let wanted = services.metadata();
    let changes = state.metadata_changes(&wanted);
    let matters: Vec<&MetadataChange> =
        changes.iter().filter(|change| change.matters && state.has_begun()).collect();
    if !change.dry_run {
        if !matters.is_empty() && !change.accept_metadata {
            consent(call, command, &matters).await?;
        }
        statebox.carry_metadata(wanted, call.user());
    }
    let verb = if change.dry_run { "would be accepted" } else { "accepted" };
    let line = |change: &MetadataChange| format!("ART has changed the build data: {change} ({verb})");
    Ok(changes.iter().map(line).collect())
}

async fn consent(
    call: &Call,
    (command, task): (&str, TaskName),
    matters: &[&MetadataChange],
) -> Result<(), TaskError> {
    let release = call.release()?;
    let refused = |class: ErrorClass, why: &str| {
        let values: Vec<String> = matters.iter().map(ToString::to_string).collect();
        let message = format!(
            "{command} of {release}: ART has changed the build data after the release was owned, pushed or moved: {}; {why}",
            values.join(", ")
        );
        Refusal::new(class, message).with_hint(format!(
            "See whether earlier tasks must be run again for the new values, then run it with `--accept-metadata`: oar -r \
             {release} {command} --accept-metadata"
        ))
    };
    if !call.consent().can_ask() {
        let why = "there is no terminal to ask on, nothing was done";
        return Err(refused(ErrorClass::Blocked, why).into());
    }
    let step = |change: &&MetadataChange| {
        Step::new("use from now on", change.field.clone()).from(change.from.clone()).to(change.to.clone())
    };
    let note = "ART has changed this after the release was owned, pushed or moved; earlier tasks may have to be run again";
    let plan = PlanSummary::new(matters.iter().map(step).collect(), vec![note.to_owned()]);
    let question = Question { command, task, release, plan: &plan, allows: Allows::ChangedData };
    let asked = call.consent().ask_anew(question).await;
    Ok(asked.map_err(|why| refused(why.class(), &why.to_string()))?)
}
