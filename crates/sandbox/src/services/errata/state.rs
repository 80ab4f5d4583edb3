//! What the Errata Tool knows, and how tests read and prepare it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::model::{Advisory, AdvisoryState, ErrataUser};
use crate::world::Simulated;

/// Who authenticates the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Negotiate {
    /// The sandbox: any well-formed token is accepted once.
    #[default]
    Accept,
    /// A web server in front with `mod_auth_gssapi`; it names the caller in `X-Remote-User`.
    Off,
}

/// The Errata Tool.
#[derive(Debug, Default)]
pub struct State {
    /// Who authenticates the caller.
    pub negotiate: Negotiate,
    /// Login name that an accepted token stands for.
    pub token_user: String,
    /// Users.
    pub users: Vec<ErrataUser>,
    /// Advisories by id.
    pub advisories: BTreeMap<u32, Advisory>,
    /// Tokens seen; an acceptor's replay cache refuses a second use.
    pub(super) replay_cache: BTreeSet<String>,
    pub(super) push_jobs_made: u32,
}

impl State {
    /// The advisory with this id.
    pub fn advisory(&self, id: u32) -> Option<&Advisory> {
        self.advisories.get(&id)
    }

    /// The advisory with this id, to prepare a case.
    pub fn advisory_mut(&mut self, id: u32) -> Option<&mut Advisory> {
        self.advisories.get_mut(&id)
    }

    /// E-mail address of the QE owner of an advisory.
    pub fn owner(&self, id: u32) -> Option<&str> {
        self.advisory(id).map(|advisory| advisory.assigned_to.as_str())
    }

    /// How many updates (`PUT`) carried `field` (`assigned_to_email`) for an advisory.
    pub fn times_sent(&self, id: u32, field: &str) -> u32 {
        self.advisory(id).and_then(|advisory| advisory.edits.get(field)).map_or(0, |edits| edits.sent)
    }

    /// The user with this login name.
    pub fn user(&self, email: &str) -> Option<&ErrataUser> {
        self.users.iter().find(|user| user.email == email)
    }

    /// The user a Kerberos principal (`bot@EXAMPLE.TEST`) or a login name stands for.
    pub(super) fn user_of_principal(&self, principal: &str) -> Option<&ErrataUser> {
        let local = |name: &str| name.split('@').next().unwrap_or(name).to_owned();
        self.user(principal).or_else(|| self.users.iter().find(|user| local(&user.email) == local(principal)))
    }

    /// Lets all pushes that are not finished end with `status` (`COMPLETE`, `FAILED`).
    pub fn finish_pushes(&mut self, status: &str) {
        for job in self.advisories.values_mut().flat_map(|advisory| &mut advisory.push_jobs) {
            if !matches!(job.status.as_str(), "COMPLETE" | "FAILED" | "POST_PUSH_FAILED") {
                status.clone_into(&mut job.status);
            }
        }
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let advisories: Map<String, Value> = self
            .advisories
            .values()
            .map(|advisory| {
                let edits: Map<String, Value> = advisory
                    .edits
                    .iter()
                    .map(|(field, count)| {
                        (field.clone(), json!({"sent": count.sent, "changed": count.changed}))
                    })
                    .collect();
                let view = json!({
                    "state": advisory.state.name(),
                    "package_owner": advisory.package_owner,
                    "assigned_to": advisory.assigned_to,
                    "jira_issues": advisory.jira_issues,
                    "edits": edits,
                    "state_changes": advisory.state_changes.len(),
                    "push_jobs": advisory.push_jobs.len(),
                });
                (advisory.id.to_string(), view)
            })
            .collect();
        json!({"token_user": self.token_user, "advisories": advisories})
    }

    /// `set-state {"advisory", "state"}`, `finish-pushes {"status"}`, `negotiate {"mode": "accept"|"off"}`,
    /// `token-user {"email"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        match operation {
            "set-state" => {
                let state = AdvisoryState::parse(text("state")?).ok_or("unknown state")?;
                let id = body.get("advisory").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
                let advisory = id.and_then(|id| self.advisory_mut(id)).ok_or("no such advisory")?;
                advisory.state = state;
            }
            "finish-pushes" => self.finish_pushes(text("status")?),
            "negotiate" => {
                self.negotiate = match text("mode")? {
                    "accept" => Negotiate::Accept,
                    "off" => Negotiate::Off,
                    other => return Err(format!("mode is accept or off, not {other}")),
                };
            }
            "token-user" => text("email")?.clone_into(&mut self.token_user),
            _ => return Err("operations: set-state, finish-pushes, negotiate, token-user".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}
