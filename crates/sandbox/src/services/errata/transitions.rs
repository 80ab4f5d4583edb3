//! E-7: which changes of state are possible, for whom, and what prevents them (spec 02 §2.7).

use super::{
    model::{Advisory, AdvisoryState, AdvisoryType, ErrataUser, Role, StateChange},
    refusal::Refusal,
};

use AdvisoryState::{DroppedNoShip, InPush, NewFiles, PushReady, Qe, RelPrep, ShippedLive};

/// Roles that may make this change; empty when the change does not exist.
fn roles(from: AdvisoryState, to: AdvisoryState) -> &'static [Role] {
    match (from, to) {
        (NewFiles, Qe) => &[Role::Devel, Role::Qa],
        (Qe, NewFiles) => &[Role::Devel, Role::Qa, Role::Pm],
        (Qe, RelPrep) => &[Role::Qa],
        (RelPrep, NewFiles | Qe | PushReady) | (PushReady, RelPrep) => &[Role::Qa, Role::Releng],
        (PushReady, InPush) | (InPush, ShippedLive | RelPrep) | (ShippedLive, RelPrep) => &[Role::Releng],
        (NewFiles | Qe | RelPrep | PushReady, DroppedNoShip) | (DroppedNoShip, NewFiles) => &[Role::Pm],
        _ => &[],
    }
}

/// Changes the state, or says why not.
pub(super) fn change_state(
    advisory: &mut Advisory,
    caller: &ErrataUser,
    wanted: Option<&str>,
    now: &str,
) -> Result<(), Refusal> {
    let wanted = wanted.ok_or_else(|| Refusal::MissingParameter("new_state".to_owned()))?;
    let to = AdvisoryState::parse(wanted)
        .ok_or_else(|| Refusal::base(format!("State {wanted} is not included in the list of states")))?;
    let from = advisory.state;
    let allowed = roles(from, to);
    if allowed.is_empty() {
        return Err(Refusal::base(format!("Invalid transition {} to {}", from.name(), to.name())));
    }
    if !allowed.iter().any(|role| caller.roles.contains(role)) {
        return Err(Refusal::base(format!(
            "User {} may not change the state from {} to {}",
            caller.email,
            from.name(),
            to.name()
        )));
    }
    let obstacles = obstacles(advisory, to);
    if !obstacles.is_empty() {
        return Err(Refusal::Invalid([("base".to_owned(), obstacles)].into()));
    }
    advisory.state = to;
    now.clone_into(&mut advisory.status_updated_at);
    match to {
        NewFiles => {
            advisory.respin_count += 1;
            advisory.security_approved = advisory.security_approved.filter(|approved| !approved);
        }
        DroppedNoShip => {
            advisory.security_approved = advisory.security_approved.filter(|approved| !approved);
        }
        ShippedLive => advisory.actual_ship_date = Some(now.to_owned()),
        _ => {}
    }
    advisory.state_changes.push(StateChange { from, to, by: caller.email.clone() });
    Ok(())
}

fn obstacles(advisory: &Advisory, to: AdvisoryState) -> Vec<String> {
    let mut found = Vec::new();
    let mut unless = |fine: bool, message: &str| {
        if !fine {
            found.push(message.to_owned());
        }
    };
    match (advisory.state, to) {
        (NewFiles, Qe) => {
            unless(advisory.text_only || !advisory.builds.is_empty(), "Must have builds attached");
            unless(
                !advisory.bugs.is_empty() || !advisory.jira_issues.is_empty(),
                "Must have at least one bug or Jira issue",
            );
        }
        (Qe, RelPrep) => {
            unless(advisory.text_only || advisory.is_staged(), "Staging push jobs not complete");
            unless(
                advisory.external_tests.iter().filter(|test| test.active).all(super::ExternalTest::is_good),
                "External tests not complete",
            );
        }
        (RelPrep, PushReady) => {
            unless(advisory.doc_complete, "Documentation must be approved");
            unless(
                advisory.kind != AdvisoryType::Rhsa || advisory.security_approved == Some(true),
                "Security approval is required",
            );
        }
        _ => {}
    }
    found
}
