//! E-9: which push jobs a request makes (spec 02 §2.8).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    model::{Advisory, AdvisoryState, PushJob},
    refusal::Refusal,
    state::State,
};

/// What is to be pushed.
pub(super) enum Targets {
    /// `defaults=stage`: every staging target, without those in progress or done.
    Stage,
    /// `defaults=live`.
    Live,
    /// A JSON list of `{"target": …}`.
    Named(Vec<String>),
}

impl Targets {
    /// From the query's `defaults` and the body.
    pub(super) fn read(defaults: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        match defaults {
            Some("stage") => return Ok(Self::Stage),
            Some("live") => return Ok(Self::Live),
            Some(other) => return Err(refuse("defaults", format!("{other} is not stage or live"))),
            None => {}
        }
        let named = serde_json::from_slice::<Vec<Value>>(body).ok().and_then(|items| {
            items
                .iter()
                .map(|item| item.get("target")?.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        match named {
            Some(targets) if !targets.is_empty() => Ok(Self::Named(targets)),
            _ => Err(Refusal::MissingParameter("target".to_owned())),
        }
    }
}

fn refuse(key: &str, message: impl Into<String>) -> Refusal {
    Refusal::BadRequest(BTreeMap::from([(key.to_owned(), vec![message.into()])]))
}

fn in_progress(advisory: &Advisory, target: &str) -> bool {
    advisory.push_jobs.iter().any(|job| job.target == target && job.is_active())
}

/// Makes the jobs; an empty list when there is nothing to do.
pub(super) fn push(
    state: &mut State,
    id: u32,
    targets: &Targets,
    now: Timestamp,
) -> Result<Vec<PushJob>, Refusal> {
    let missing = || Refusal::NotFound(format!("Errata with id {id}"));
    let advisory = state.advisory(id).ok_or_else(missing)?;
    let wanted: Vec<String> = match targets {
        Targets::Stage => advisory.stage_targets.iter().filter(|t| is_due(advisory, t)).cloned().collect(),
        Targets::Live => advisory.live_targets.iter().filter(|t| is_due(advisory, t)).cloned().collect(),
        Targets::Named(names) => names.clone(),
    };
    for target in &wanted {
        if let Some(obstacle) = obstacle(state, advisory, target) {
            return Err(refuse(target, obstacle));
        }
    }
    let respin = advisory.respin_count;
    let first = 151_001 + state.push_jobs_made;
    let advisory = state.advisories.get_mut(&id).ok_or_else(missing)?;
    let jobs: Vec<PushJob> = wanted
        .into_iter()
        .zip(first..)
        .map(|(target, id)| PushJob {
            id,
            target,
            status: "READY".to_owned(),
            respin,
            made: Some(now),
            script: advisory.push_scripts.pop_front().unwrap_or_default(),
            ..PushJob::default()
        })
        .collect();
    advisory.push_jobs.extend(jobs.iter().cloned());
    state.push_jobs_made += u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    Ok(jobs)
}

/// Neither in progress nor pushed since the last respin.
fn is_due(advisory: &Advisory, target: &str) -> bool {
    !in_progress(advisory, target) && !advisory.is_pushed_to(target)
}

fn obstacle(state: &State, advisory: &Advisory, target: &str) -> Option<String> {
    let staging = advisory.stage_targets.iter().any(|found| found == target);
    if !staging && !advisory.live_targets.iter().any(|found| found == target) {
        return Some("is not a supported target of this advisory".to_owned());
    }
    if in_progress(advisory, target) {
        return Some("A push is already in progress".to_owned());
    }
    let pushable = if staging {
        matches!(
            advisory.state,
            AdvisoryState::Qe
                | AdvisoryState::RelPrep
                | AdvisoryState::PushReady
                | AdvisoryState::ShippedLive
        )
    } else {
        matches!(advisory.state, AdvisoryState::PushReady | AdvisoryState::ShippedLive)
    };
    if !pushable {
        return Some(format!(
            "State {} invalid. Must be one of: QE, REL_PREP, PUSH_READY",
            advisory.state.name()
        ));
    }
    let rpm = advisory.content_types.iter().any(|kind| kind == "rpm");
    if rpm && advisory.builds.iter().any(|build| !build.rpms_signed) {
        return Some("Packages are not signed".to_owned());
    }
    let waits = behind(state, advisory).into_iter().any(|blocking| {
        blocking.stage_targets.iter().any(|found| found == target) && !blocking.is_pushed_to(target)
    });
    waits.then(|| format!("Has dependencies which are not yet pushed to {target}"))
}

/// The advisories that block one, and those that block them.
fn behind<'a>(state: &'a State, advisory: &Advisory) -> Vec<&'a Advisory> {
    let mut found: Vec<&Advisory> = Vec::new();
    let mut wanted = advisory.blocking_advisories.clone();
    while let Some(id) = wanted.pop() {
        let known = id == advisory.id || found.iter().any(|known| known.id == id);
        if let Some(blocking) = state.advisory(id).filter(|_| !known) {
            found.push(blocking);
            wanted.extend(&blocking.blocking_advisories);
        }
    }
    found
}
