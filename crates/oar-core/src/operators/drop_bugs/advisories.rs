//! Dropping bugs from one advisory, and asking again for the approvals that it costs (spec 02 §2.11).

use std::collections::BTreeSet;

use super::did;
use crate::clients::Effect;
use crate::clients::errata::{Advisory, AdvisoryId, AdvisoryState, ErrataClient, SecurityApproval};
use crate::clients::jira::IssueKey;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, Step, TaskError};
use crate::flow::recorder::Recorder;
use crate::permit::WritePermit;
use crate::statebox::DropIntent;

/// What changes in one advisory.
#[derive(Debug, Clone)]
pub struct AdvisoryDrop {
    /// Its kind in the build data.
    pub impetus: String,
    /// Its number.
    pub id: AdvisoryId,
    /// Its state.
    pub state: AdvisoryState,
    /// The bugs that it loses.
    pub keys: Vec<IssueKey>,
    /// The bugs that should leave it, and that Errata Tool lets no one take off an advisory in this state.
    pub locked: Vec<IssueKey>,
    /// The approval of documentation.
    pub docs: Approval,
    /// The approval of product security.
    pub security: Approval,
}

/// What becomes of one approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// It was given before the first of our runs.
    pub had: bool,
    /// It was lost by an earlier run, and was not requested again.
    lost: bool,
    /// An earlier run requested it again.
    asked: bool,
}

/// Approved; it must not be requested again, because that withdraws the approval (spec 02 §2.11).
fn docs_given(advisory: &Advisory) -> bool {
    advisory.doc_complete && !advisory.text_ready
}

fn docs_lost(advisory: &Advisory) -> bool {
    !advisory.doc_complete && !advisory.text_ready
}

impl AdvisoryDrop {
    /// What dropping `dropped` changes in `advisory`; `None` when nothing does.
    pub(super) fn of(
        impetus: &str,
        advisory: &Advisory,
        dropped: &BTreeSet<IssueKey>,
        earlier: &DropIntent,
    ) -> Option<Self> {
        let id = advisory.id;
        let wanted: Vec<IssueKey> =
            advisory.jira_issues.iter().filter(|key| dropped.contains(*key)).cloned().collect();
        let may_leave = advisory.state.allows_bug_removal();
        let (keys, locked) = if may_leave { (wanted, Vec::new()) } else { (Vec::new(), wanted) };
        let (had_docs, had_security) = (earlier.docs.contains(&id), earlier.security.contains(&id));
        if keys.is_empty() && locked.is_empty() && !had_docs && !had_security {
            return None;
        }
        Some(Self {
            impetus: impetus.to_owned(),
            id,
            state: advisory.state.clone(),
            keys,
            locked,
            docs: Approval {
                had: had_docs || docs_given(advisory),
                lost: had_docs && docs_lost(advisory),
                asked: had_docs && !advisory.doc_complete && advisory.text_ready,
            },
            security: Approval {
                had: had_security || advisory.security_approval == SecurityApproval::Approved,
                lost: had_security && advisory.security_approval == SecurityApproval::NotRequested,
                asked: had_security && advisory.security_approval == SecurityApproval::Requested,
            },
        })
    }

    fn subject(&self) -> String {
        format!("advisory {} ({})", self.id, self.impetus)
    }

    fn remove_step(&self, key: &IssueKey) -> Step {
        Step::new("remove from", self.subject()).to(key.as_str())
    }

    fn docs_step(&self) -> Step {
        Step::new("ask documentation to approve again", self.subject())
    }

    fn security_step(&self) -> Step {
        Step::new("ask product security to approve again", self.subject())
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.keys.iter().map(|key| self.remove_step(key)).collect();
        // What dropping itself costs is not known before: it is read afterwards.
        if self.docs.lost {
            steps.push(self.docs_step());
        }
        if self.security.lost {
            steps.push(self.security_step());
        }
        steps
    }

    /// What the reader of the plan should know.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.blocking_reason().into_iter().collect();
        let given = [(self.docs, "documentation"), (self.security, "product security")];
        let given: Vec<&str> = given
            .iter()
            .filter(|(approval, _)| approval.had && !approval.lost)
            .map(|(_, who)| *who)
            .collect();
        if !self.keys.is_empty() && !given.is_empty() {
            notes.push(format!(
                "{} is approved by {}: whether that is lost shows when the bugs are removed; a lost \
                 approval is requested again",
                self.subject(),
                given.join(" and ")
            ));
        }
        notes
    }

    /// Why bugs that should leave the advisory stay in it.
    pub(super) fn blocking_reason(&self) -> Option<String> {
        let keys: Vec<&str> = self.locked.iter().map(IssueKey::as_str).collect();
        (!keys.is_empty()).then(|| {
            format!(
                "{} is in {}, and Errata Tool lets bugs leave only in NEW_FILES and QE: {} cannot be dropped from it",
                self.subject(),
                self.state,
                keys.join(", ")
            )
        })
    }
}

/// The result for one advisory.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) failed: Vec<TaskError>,
    pub(super) docs: Option<AdvisoryId>,
    pub(super) security: Option<AdvisoryId>,
}

/// Makes the change. What it costs of the approvals is read when the bugs are out.
pub(super) async fn apply(
    errata: &ErrataClient,
    plan: &AdvisoryDrop,
    permit: &WritePermit,
    recorder: &Recorder,
) -> Applied {
    let mut applied = Applied {
        docs: plan.docs.asked.then_some(plan.id),
        security: plan.security.asked.then_some(plan.id),
        ..Applied::default()
    };
    // One after the other: they change the same record.
    let mut removed = Vec::new();
    for key in &plan.keys {
        match errata.remove_jira_issue(plan.id, key, permit).await {
            Ok(effect) => {
                if effect == Effect::Changed {
                    did(recorder, plan.remove_step(key));
                }
                removed.push(key);
            }
            Err(error) => applied.failed.push(error.into()),
        }
    }
    let advisory = match errata.erratum(plan.id).await {
        Ok(advisory) => advisory,
        Err(error) => {
            applied.failed.push(error.into());
            return applied;
        }
    };
    // What counts is what the advisory shows, not what was answered on the way.
    for key in removed {
        if advisory.jira_issues.contains(key) {
            recorder.take_back(&plan.remove_step(key));
            let message = format!("{} still names {key} after it was removed", plan.subject());
            let refusal = Refusal::new(ErrorClass::Unavailable, message);
            applied.failed.push(refusal.with_hint("Run the same command again.").into());
        }
    }
    let docs = plan.docs.had && docs_lost(&advisory);
    let security = plan.security.had && advisory.security_approval == SecurityApproval::NotRequested;
    let (mut docs_sent, mut security_sent) = (false, false);
    if docs {
        match errata.request_docs_approval(plan.id, permit).await {
            Ok(()) => {
                docs_sent = true;
                did(recorder, plan.docs_step());
            }
            Err(error) => applied.failed.push(error.into()),
        }
    }
    if security {
        match errata.request_security_approval(plan.id, permit).await {
            Ok(_) => {
                security_sent = true;
                did(recorder, plan.security_step());
            }
            Err(error) => applied.failed.push(error.into()),
        }
    }
    if !docs && !security {
        return applied;
    }
    let advisory = match errata.erratum(plan.id).await {
        Ok(advisory) => advisory,
        Err(error) => {
            applied.failed.push(error.into());
            return applied;
        }
    };
    let mut asked = |wanted: bool, sent: bool, shown: bool, step: Step| {
        match (sent, shown) {
            (true, false) => recorder.take_back(&step),
            // The answer was lost, but the request took effect.
            (false, true) if wanted => did(recorder, step),
            _ => {}
        }
        if wanted && !shown && applied.failed.is_empty() {
            let message = format!("{} does not show that its approval was asked for", plan.subject());
            let refusal = Refusal::new(ErrorClass::Unavailable, message);
            applied.failed.push(refusal.with_hint("Run the same command again.").into());
        }
        wanted && shown
    };
    let (docs, security) = (
        asked(docs, docs_sent, !docs_lost(&advisory), plan.docs_step()),
        asked(
            security,
            security_sent,
            advisory.security_approval != SecurityApproval::NotRequested,
            plan.security_step(),
        ),
    );
    applied.docs = applied.docs.or(docs.then_some(plan.id));
    applied.security = applied.security.or(security.then_some(plan.id));
    applied
}
