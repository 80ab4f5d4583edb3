//! The advisories, the Jira ticket and the merge request of a release, for tasks that need them.
//!
//! ART uses placeholders for identifiers that do not exist yet (spec 01 §1.4). A task that needs one is
//! blocked until it exists; it never continues as if the release had none.

use super::ReleaseContext;
use crate::clients::errata::AdvisoryId;
use crate::clients::gitlab::MergeRequestRef;
use crate::clients::jira::IssueKey;
use crate::config::{Impetus, Pending};
use crate::flow::outcome::Refusal;
use crate::service::Service;

impl ReleaseContext {
    /// The advisories by kind; empty when the build data names none yet.
    ///
    /// # Errors
    ///
    /// One of them does not exist yet. The `MicroShift` advisory ships separately: nothing waits for it.
    pub fn advisories(&self) -> Result<Vec<(String, AdvisoryId)>, Refusal> {
        let config = self.config();
        let waits_for = |pending: &&Pending| matches!(pending, Pending::Advisory(impetus) if impetus.as_str() != Impetus::MICROSHIFT);
        if let Some(pending) = config.pending().iter().find(waits_for) {
            return Err(self.not_there_yet(pending));
        }
        let advisories = config.advisories().iter();
        Ok(advisories.map(|(impetus, id)| (impetus.as_str().to_owned(), *id)).collect())
    }

    /// ART's Jira ticket; `None` when the build data names none.
    ///
    /// # Errors
    ///
    /// The ticket does not exist yet.
    pub fn ticket(&self) -> Result<Option<IssueKey>, Refusal> {
        let config = self.config();
        if config.pending().contains(&Pending::Ticket) {
            return Err(self.not_there_yet(&Pending::Ticket));
        }
        Ok(config.jira_ticket().cloned())
    }

    /// The shipment merge request at the configured GitLab; `None` in the Errata flow.
    ///
    /// The host in the build data is ignored (spec 03 §3.1).
    ///
    /// # Errors
    ///
    /// ART is preparing the shipment: its merge request does not exist yet.
    pub fn shipment(&self) -> Result<Option<MergeRequestRef>, Refusal> {
        let config = self.config();
        if config.pending().contains(&Pending::Shipment) {
            return Err(self.not_there_yet(&Pending::Shipment));
        }
        let Some(url) = config.shipment_mr() else { return Ok(None) };
        let base = config.settings().endpoints().base(Service::Gitlab);
        Ok(Some(MergeRequestRef { project: url.project_at(base).to_owned(), iid: url.iid() }))
    }

    fn not_there_yet(&self, pending: &Pending) -> Refusal {
        let release = self.config().release();
        let why = match pending {
            Pending::Shipment => {
                let kinds: Vec<&str> =
                    self.config().facts().shipment_kinds.iter().map(|kind| kind.kind.as_str()).collect();
                let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
                format!("ART prepares the shipment{kinds}")
            }
            Pending::Advisory(_) | Pending::Ticket => "the build data has a placeholder for it".to_owned(),
        };
        Refusal::blocked(format!("{pending} of {release} is not there yet: {why}")).with_hint(
            "There is nothing to do but wait: run the same command again when ART has put it into the build data.",
        )
    }
}
