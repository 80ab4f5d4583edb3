//! The issue list of an advisory, one issue at a time: who may change it, and when (spec 02 §2.5).

use super::{
    asked::Asked,
    handlers::{Answer, numbered},
    model::{Advisory, AdvisoryState, AdvisoryType, Role},
    refusal::Refusal,
    state::State,
    update,
};
use crate::world::World;

/// Labels of issues that only product security takes out.
const SECURITY_LABELS: [&str; 2] = ["Security", "SecurityTracking"];
/// What Errata Tool says when the state locks the list.
const LOCKED: &str = "Cannot add or remove non-security bugs unless in NEW_FILES state";

/// What Jira says about an issue to the account of the Errata Tool.
enum Seen {
    Nothing,
    Issue { is_security: bool },
}

fn seen(world: &World, key: &str) -> Seen {
    match world.jira.lock().shown(key) {
        Some(issue) => Seen::Issue {
            is_security: issue.labels.iter().any(|label| SECURITY_LABELS.contains(&label.as_str())),
        },
        None => Seen::Nothing,
    }
}

fn unknown(key: &str) -> Refusal {
    Refusal::Unknown(format!("Jira issue {key} is not known, or cannot be seen by the Errata Tool"))
}

/// Every write checks the whole advisory: also what it does not carry.
pub(super) fn form(state: &State, advisory: &Advisory) -> Result<(), Refusal> {
    let qa = state.user(&advisory.assigned_to).is_some_and(|user| user.roles.contains(&Role::Qa));
    if qa {
        return Ok(());
    }
    let words = format!("{} is not a QA user", advisory.assigned_to);
    Err(Refusal::Invalid([("assigned_to_email".to_owned(), vec![words])].into()))
}

fn locked(state: &State, advisory: &Advisory, also: &[AdvisoryState]) -> bool {
    let open = match advisory.state {
        AdvisoryState::NewFiles => true,
        AdvisoryState::Qe => !state.locks_issues_in_qe,
        other => also.contains(&other),
    };
    !open
}

fn lock_refusal() -> Refusal {
    Refusal::Invalid([("errata".to_owned(), vec![LOCKED.to_owned()])].into())
}

/// Attaches one issue without touching the others.
pub(super) async fn add(asked: Asked) -> Answer {
    let seen = asked.params.get("jira_issue").map(|key| seen(&asked.world, key));
    asked.change(|state, id| {
        let key = asked.needed("jira_issue")?;
        let Some(Seen::Issue { is_security }) = seen else { return Err(unknown(key)) };
        let advisory = numbered(state, id)?.clone();
        form(state, &advisory)?;
        if !is_security && locked(state, &advisory, &[]) {
            return Err(lock_refusal());
        }
        update::attachable(state, id, key).map_err(Refusal::base)?;
        if advisory.jira_issues.iter().any(|found| found == key) {
            return Err(Refusal::base(format!("Jira issue {key} is attached already")));
        }
        let advisory = numbered(state, id)?;
        advisory.jira_issues.push(key.to_owned());
        // Documentation has to say something about it.
        advisory.doc_complete = false;
        advisory.security_approved = advisory.security_approved.filter(|approved| !approved);
        count(advisory);
        Ok(())
    })
}

/// Detaches one issue without touching the others. One that is known and not attached is no error.
pub(super) async fn remove(asked: Asked) -> Answer {
    let seen = asked.params.get("jira_issue").map(|key| seen(&asked.world, key));
    asked.change(|state, id| {
        let key = asked.needed("jira_issue")?;
        let filed = state.known_issues.contains(key)
            || state
                .advisories
                .values()
                .any(|advisory| advisory.jira_issues.iter().any(|found| found == key));
        let is_security = match seen {
            Some(Seen::Issue { is_security }) => is_security,
            _ if filed => false,
            _ => return Err(unknown(key)),
        };
        let advisory = numbered(state, id)?.clone();
        if !advisory.jira_issues.iter().any(|found| found == key) {
            return Ok(());
        }
        form(state, &advisory)?;
        let may = state.user(&asked.caller).is_some_and(|user| user.roles.contains(&Role::Secalert));
        if is_security && !may {
            return Err(Refusal::Invalid(
                [(key.to_owned(), vec!["Only the security team may remove security issues".to_owned()])]
                    .into(),
            ));
        }
        if !is_security && locked(state, &advisory, &[AdvisoryState::DroppedNoShip]) {
            return Err(lock_refusal());
        }
        let keeps = state.keeps_approvals;
        state.known_issues.insert(key.to_owned());
        let advisory = numbered(state, id)?;
        advisory.jira_issues.retain(|found| found != key);
        if !keeps {
            advisory.security_approved = advisory.security_approved.filter(|approved| !approved);
        }
        count(advisory);
        Ok(())
    })
}

fn count(advisory: &mut Advisory) {
    let count = advisory.edits.entry("jira_issue".to_owned()).or_default();
    count.sent += 1;
    count.changed += 1;
}

/// Whether the advisory takes issues that another one has.
pub(super) fn shares_issues(advisory: &Advisory) -> bool {
    advisory.kind == AdvisoryType::Rhsa
}
