//! What the Errata Tool knows, and how tests read and prepare it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::model::{Advisory, AdvisoryState, ErrataUser, PushJob, PushScript};
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
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Who authenticates the caller.
    pub negotiate: Negotiate,
    /// Login name that an accepted token stands for.
    pub token_user: String,
    /// Users.
    pub users: Vec<ErrataUser>,
    /// Advisories by id.
    pub advisories: BTreeMap<u32, Advisory>,
    /// Whether the issue list is locked in `QE`, too, as in older releases of the server.
    pub locks_issues_in_qe: bool,
    /// Whether taking an issue off keeps the approval of product security.
    pub keeps_approvals: bool,
    /// Issues that were on an advisory once: the server keeps what it knows of them.
    pub(super) known_issues: BTreeSet<String>,
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
        for job in self.all_pushes().filter(|job| !job.is_finished()) {
            status.clone_into(&mut job.status);
            job.made = None;
        }
    }

    /// Updates every push to its state at `now`.
    pub fn advance_pushes(&mut self, now: Timestamp) {
        self.all_pushes().for_each(|job| job.advance(now));
    }

    fn all_pushes(&mut self) -> impl Iterator<Item = &mut PushJob> {
        self.advisories.values_mut().flat_map(|advisory| &mut advisory.push_jobs)
    }

    fn named(&mut self, body: &Value) -> Result<&mut Advisory, String> {
        let id = body.get("advisory").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        id.and_then(|id| self.advisory_mut(id)).ok_or_else(|| "no such advisory".to_owned())
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
                    "pushes": advisory.push_jobs.iter().map(|job| json!({
                        "id": job.id, "target": job.target, "status": job.status,
                    })).collect::<Vec<_>>(),
                });
                (advisory.id.to_string(), view)
            })
            .collect();
        json!({"token_user": self.token_user, "advisories": advisories})
    }

    /// `set-state {"advisory", "state"}`, `finish-pushes {"status"}`,
    /// `script-push {"advisory", "ends" or "stops": status}` for the next push of the advisory,
    /// `set-blocking {"advisory", "blocking": [ids]}`, `set-tests {"advisory", "status"}`,
    /// `set-alerts {"advisory", "blocking": bool, "from": "now"|"refresh"}`, `negotiate {"mode": "accept"|"off"}`,
    /// `token-user {"email"}`.
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        match operation {
            "set-state" => {
                let state = AdvisoryState::parse(text("state")?).ok_or("unknown state")?;
                let advisory = self.named(body)?;
                if state == AdvisoryState::NewFiles && advisory.state != state {
                    advisory.respin_count += 1;
                }
                advisory.state = state;
                advisory.status_updated_at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            }
            "script-push" => {
                let script = match (text("ends"), text("stops")) {
                    (Ok(status), _) => PushScript::EndsAs(status.to_owned()),
                    (_, Ok(status)) => PushScript::StopsAt(status.to_owned()),
                    _ => return Err("script-push needs the text ends or stops".to_owned()),
                };
                self.named(body)?.push_scripts.push_back(script);
            }
            "set-blocking" => {
                let ids =
                    body.get("blocking").and_then(Value::as_array).ok_or("blocking is a list of ids")?;
                let ids = ids.iter().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok());
                self.named(body)?.blocking_advisories = ids.collect();
            }
            "set-tests" => {
                let status = text("status")?.to_owned();
                for test in &mut self.named(body)?.external_tests {
                    test.status.clone_from(&status);
                }
            }
            "set-alerts" => {
                let block =
                    body.get("blocking").and_then(Value::as_bool).ok_or("blocking is true or false")?;
                let at_refresh = text("from").is_ok_and(|from| from == "refresh");
                let advisory = self.named(body)?;
                if at_refresh {
                    advisory.alerts_block_at_refresh = Some(block);
                } else {
                    advisory.security_alerts_block = block;
                }
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
            _ => {
                return Err("operations: set-state, finish-pushes, script-push, set-blocking, set-tests, \
                            set-alerts, negotiate, token-user"
                    .to_owned());
            }
        }
        Ok(json!({"done": operation}))
    }
}
