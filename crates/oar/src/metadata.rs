//! What ART has changed in the build data since the StateBox was made or last compared: shown, taken over, asked about.

use cli_support::{CliError, Tone};
use oar_core::error::ErrorClass;
use oar_core::flow::consent::{Consent as _, Question};
use oar_core::flow::outcome::{PlanSummary, Step};
use oar_core::statebox::{MetadataChange, State, StateBox, StateBoxError, TaskName};
use oar_core::tasks::ReleaseContext;

use crate::release::Release;
use crate::report::ChangeArgs;

/// Compares the state that was just read with the build data, and has the next write take over what changed. The answer
/// is what the user should know.
///
/// Where the release was owned, pushed or moved already, an identifier that changed is asked about: what was done with
/// the old one may have to be done again.
pub(crate) async fn compare(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: TaskName,
    change: &ChangeArgs,
    loaded: &Result<Option<State>, StateBoxError>,
) -> Result<Vec<String>, CliError> {
    let Ok(Some(state)) = loaded else { return Ok(Vec::new()) };
    let wanted = services.metadata();
    let changes = state.metadata_changes(&wanted);
    let matters: Vec<&MetadataChange> =
        changes.iter().filter(|change| change.matters && state.has_begun()).collect();
    if !change.dry_run {
        if !matters.is_empty() && !change.accept_metadata {
            consent(release, task, &matters).await?;
        }
        statebox.carry_metadata(wanted, release.user());
    }
    let verb = if change.dry_run { "would be taken over" } else { "taken over" };
    let line = |change: &MetadataChange| format!("ART has changed the build data: {change} ({verb})");
    Ok(changes.iter().map(line).collect())
}

async fn consent(release: &Release, task: TaskName, matters: &[&MetadataChange]) -> Result<(), CliError> {
    let ui = &release.session.ui;
    let refused = |why: &str| {
        let values: Vec<String> = matters.iter().map(ToString::to_string).collect();
        let message = format!(
            "{task} of {}: ART has changed the build data after the release was owned, pushed or moved: {}; {why}, nothing \
             was done",
            release.version,
            values.join(", ")
        );
        CliError::new(ErrorClass::Blocked, message).with_hint(format!(
            "See whether earlier tasks must be run again for the new values, then call it with `--accept-metadata`: oar -r \
             {} {task} --accept-metadata",
            release.version
        ))
    };
    if !ui.is_interactive() {
        return Err(refused("there is no terminal to ask at"));
    }
    let step = |change: &&MetadataChange| {
        Step::new("act from now on with", change.field.clone())
            .from(change.from.clone())
            .to(change.to.clone())
    };
    let note = format!(
        "{} after the release was owned, pushed or moved; earlier tasks may have to be run again",
        Tone::Attention.paint("ART has changed this")
    );
    let plan = PlanSummary::new(matters.iter().map(step).collect(), vec![note]);
    let question = Question { task, release: &release.version, plan: &plan };
    let asked = release.session.consent(false).ask(question).await;
    asked.map_err(|_| refused("it was not consented to"))
}
