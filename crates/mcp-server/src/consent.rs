//! The consent to what cannot be undone, asked by the call of a model: the model cannot give it.
//!
//! In this order: the configuration document may have given standing consent to this tool for this caller; a person may have
//! recorded consent to exactly this plan (`oar consent`); a person may be asked by a form of the client, where the token's
//! owner allows that. Otherwise the answer is the plan, and nothing is sent.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oar_core::clients::Clients;
use oar_core::error::{Classified as _, ErrorClass};
use oar_core::flow::consent::{Allows, Consent, PlanHash, Question};
use oar_core::flow::outcome::Refusal;
use oar_core::operations::slack_bot::plan_in_words;
use oar_core::permit::WritePermit;
use oar_core::statebox::{ConsentView, StateBoxError, StateError};
use oar_core::tasks::open_statebox;

use crate::caller::Caller;
use crate::calls::{Elicit, Run};

/// How long a person may look at a form.
const FORM: Duration = Duration::from_mins(5);

/// The consent to one run.
pub(crate) struct CallerConsent {
    pub(crate) caller: Arc<Caller>,
    /// The tool that standing consent was given for; `None` where it does not count.
    pub(crate) tool: Option<&'static str>,
    pub(crate) run: Arc<Run>,
    pub(crate) clients: Clients,
    pub(crate) elicit: Option<Arc<dyn Elicit>>,
}

impl fmt::Debug for CallerConsent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallerConsent").field("run", &self.run).finish_non_exhaustive()
    }
}

/// What a person said to a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nobody could be asked; why.
    NotAsked(Option<String>),
}

impl CallerConsent {
    /// The form, where this caller may be asked by one.
    fn form(&self) -> Option<&Arc<dyn Elicit>> {
        self.elicit.as_ref().filter(|_| self.caller.may_elicit)
    }

    /// Whether the configuration document has given consent. A run that it allowed says so.
    pub(crate) fn is_standing(&self) -> bool {
        let Some(tool) = self.tool.filter(|tool| self.caller.standing_consent.contains(*tool)) else {
            return false;
        };
        let line = format!("standing consent of {} for {tool}", self.caller.name);
        tracing::info!("{line}");
        self.write(&line);
        true
    }

    /// Asks a person by a form.
    pub(crate) async fn said(&self, question: &str) -> Said {
        let Some(form) = self.form() else { return Said::NotAsked(None) };
        let _asking = self.run.asking();
        match tokio::time::timeout(FORM, form.ask(question)).await {
            Ok(Ok(true)) => {
                let line = format!("a person consented by a form of {}'s client", self.caller.name);
                tracing::info!("{line}");
                self.write(&line);
                Said::Yes
            }
            Ok(Ok(false)) => Said::No,
            Ok(Err(why)) => Said::NotAsked(Some(why)),
            Err(_) => Said::NotAsked(Some(format!("nobody answered within {} minutes", FORM.as_secs() / 60))),
        }
    }

    fn write(&self, text: &str) {
        // Writing into memory does not fail.
        let _ = writeln!(self.run.output.notes(), "{text}");
    }

    /// Uses up a consent that a person recorded for exactly this plan; `Ok(Err)` says why there is none.
    async fn use_recorded(&self, question: Question<'_>, plan: &PlanHash) -> Result<Result<(), String>, Refusal> {
        let not_known = |error: &(dyn fmt::Display + Sync), class: ErrorClass| {
            Refusal::new(class, format!("whether a person consented is not known, so nothing was sent: {error}"))
                .with_hint("Call it again in a few minutes.")
        };
        let statebox = open_statebox(&self.clients, question.release)
            .map_err(|error| not_known(&error, error.class()))?;
        let now = self.clients.clock().now();
        let found = statebox.find().await.map_err(|error| not_known(&error, error.class()))?;
        let consents = found.map(|state| state.consents(question.task)).unwrap_or_default();
        let of_plan = |consent: &&ConsentView| consent.plan == plan.as_ref();
        let Some(valid) = consents.iter().find(|consent| of_plan(consent) && consent.is_valid_at(now)) else {
            return Ok(Err(match consents.iter().rev().find(of_plan) {
                Some(consent) => format!("the consent of {} is no longer valid: {}", consent.by, consent.standing(now)),
                None => match consents.iter().rev().find(|consent| consent.is_valid_at(now)) {
                    Some(other) => format!("{} consented to another plan, and the plan has changed", other.by),
                    None => "nobody has consented to this plan".to_owned(),
                },
            }));
        };
        let permit = WritePermit::granted_by_user_interface();
        let message = format!("{}: the consent of {} is used", question.command, valid.by);
        let used = statebox
            .update(&permit, &message, |state| state.use_consent(question.task, plan, &self.run.id, now))
            .await;
        match used {
            Ok(_) => {
                let line = format!("{} consented to this plan at {}", valid.by, valid.at);
                tracing::info!("{line}");
                self.write(&line);
                Ok(Ok(()))
            }
            // Another run was faster.
            Err(StateBoxError::State(error @ StateError::NoConsent { .. })) => Ok(Err(error.to_string())),
            Err(error) => Err(not_known(&error, error.class())),
        }
    }

    async fn decide(&self, question: Question<'_>, in_advance: bool) -> Result<(), Refusal> {
        let plan = PlanHash::of(question).ok_or_else(|| {
            Refusal::new(ErrorClass::Failed, "the plan cannot be written down; nothing was sent")
        })?;
        if in_advance && self.is_standing() {
            return Ok(());
        }
        let recorded = match question.allows {
            // It can only be recorded for the changes themselves.
            Allows::Changes => self.use_recorded(question, &plan).await?,
            Allows::ChangedData | Allows::OneRun => Err(String::new()),
        };
        let Err(why) = recorded else { return Ok(()) };
        let (command, release) = (question.command, question.release);
        let words = plan_in_words(question);
        let not_asked = match self.said(&format!("{words}\n\n{}", question.text())).await {
            Said::Yes => return Ok(()),
            Said::No => {
                return Err(Refusal::blocked(format!(
                    "a person declined the plan of {command}; {}",
                    question.otherwise()
                ))
                .with_hint("Do not call it again unless a person asks for it."));
            }
            Said::NotAsked(why) => why,
        };
        self.write(&words);
        let why: Vec<String> = not_asked.into_iter().chain(Some(why)).filter(|why| !why.is_empty()).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        Err(Refusal::blocked(format!("{command} of {release} waits for consent{why}; {}", question.otherwise())).with_hint(
            format!(
                "A person looks at the plan and runs `oar -r {release} consent {command}`; after that, call this tool again."
            ),
        ))
    }
}

#[async_trait]
impl Consent for CallerConsent {
    fn can_ask(&self) -> bool {
        self.form().is_some()
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        self.decide(question, true).await
    }

    async fn ask_anew(&self, question: Question<'_>) -> Result<(), Refusal> {
        self.decide(question, false).await
    }
}
