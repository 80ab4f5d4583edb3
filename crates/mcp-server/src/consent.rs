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
use cli_support::plain;
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
use crate::transport::Outcome;

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
        // Texts of others are part of it.
        match tokio::time::timeout(FORM, form.ask(&plain(question))).await {
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
    async fn use_recorded(
        &self,
        question: Question<'_>,
        plan: &PlanHash,
    ) -> Result<Result<(), String>, Refusal> {
        let not_known = |error: &(dyn fmt::Display + Sync), class: ErrorClass| {
            Refusal::new(
                class,
                format!("whether a person consented is not known, so nothing was sent: {error}"),
            )
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
                Some(consent) => {
                    format!("the consent of {} is no longer valid: {}", consent.by, consent.standing(now))
                }
                None => match consents.iter().rev().find(|consent| consent.is_valid_at(now)) {
                    Some(other) => {
                        format!("{} consented to another plan, and the plan has changed", other.by)
                    }
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
            Err(StateBoxError::State(
                error @ (StateError::NoConsent { .. } | StateError::ConsentUsed { .. }),
            )) => Ok(Err(error.to_string())),
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
        self.run.ends_as(Outcome::WaitsForConsent);
        let why: Vec<String> = not_asked.into_iter().chain(Some(why)).filter(|why| !why.is_empty()).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        Err(Refusal::blocked(format!("it waits for consent{why}; {}", question.otherwise())).with_hint(
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use oar_core::clock::Clock;
    use oar_core::config::{Environment, Settings};
    use oar_core::flow::outcome::{PlanSummary, Step};
    use oar_core::http::{Http, HttpSettings};
    use oar_core::redact::Redactor;
    use oar_core::statebox::{Metadata, NewConsent, State, TaskName};
    use oar_core::version::ReleaseVersion;

    use super::*;
    use crate::caller::AccessScope;
    use crate::calls::run_for_tests;
    use crate::tools::Profile;

    const COMMAND: &str = "change-advisory-status";
    const TASK: TaskName = TaskName::ChangeAdvisoryStatus;

    /// A person at the client, and what they were shown.
    struct Person(Result<bool, String>, Mutex<Vec<String>>);

    impl Person {
        fn who(says: Result<bool, &str>) -> Arc<Self> {
            Arc::new(Self(says.map_err(str::to_owned), Mutex::default()))
        }

        fn shown(&self) -> Vec<String> {
            self.1.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl Elicit for Person {
        async fn ask(&self, question: &str) -> Result<bool, String> {
            self.1.lock().unwrap().push(question.to_owned());
            self.0.clone()
        }
    }

    struct World {
        _folder: tempfile::TempDir,
        clients: Clients,
        release: ReleaseVersion,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let state = format!("local:{}", folder.path().display());
            let environment = Environment::from_pairs([("OAR_STATE", state.as_str())]);
            let settings = Settings::load(&environment).unwrap();
            let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
            let clients = Clients::new(settings, http);
            Self { _folder: folder, clients, release: "4.19.1".parse().unwrap() }
        }

        /// A person records consent to this plan, so long ago.
        async fn record(&self, plan: &PlanSummary, hours_ago: i64) {
            let now = self.clients.clock().now();
            let at = now - jiff::SignedDuration::from_hours(hours_ago);
            let consent = NewConsent {
                id: "c1".to_owned(),
                command: COMMAND.to_owned(),
                plan: PlanHash::of(self.question(plan)).unwrap().to_string(),
                by: "ann".to_owned(),
                at,
            };
            let state = State::new(&self.release, &Metadata::default(), now);
            let permit = WritePermit::granted_by_user_interface();
            open_statebox(&self.clients, &self.release)
                .unwrap()
                .update_or_create(&permit, "consent", state, |state| Ok(state.record_consent(TASK, &consent)))
                .await
                .unwrap();
        }

        fn question<'a>(&'a self, plan: &'a PlanSummary) -> Question<'a> {
            Question { command: COMMAND, task: TASK, release: &self.release, plan, allows: Allows::Changes }
        }

        fn consent(
            &self,
            standing: &[&str],
            person: Option<&Arc<Person>>,
            may_elicit: bool,
        ) -> CallerConsent {
            let caller = Caller {
                name: "model".to_owned(),
                scopes: AccessScope::ALL.into_iter().collect(),
                profile: Profile::Reference,
                standing_consent: standing.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>(),
                may_elicit,
            };
            CallerConsent {
                caller: Arc::new(caller),
                tool: Some("oar_change_advisory_status"),
                run: run_for_tests(),
                clients: self.clients.clone(),
                elicit: person.map(|person| Arc::clone(person) as Arc<dyn Elicit>),
            }
        }

        async fn used_by(&self) -> Option<String> {
            let state = open_statebox(&self.clients, &self.release).unwrap().find().await.unwrap()?;
            state.consents(TASK).first()?.run.clone()
        }
    }

    fn plan(target: &str) -> PlanSummary {
        PlanSummary::new(vec![Step::new("move", target)], Vec::new())
    }

    #[tokio::test]
    async fn without_a_person_the_answer_is_the_plan() {
        let (world, plan) = (World::new(), plan("advisory 150001"));
        let nobody = world.consent(&[], None, true);
        let refusal = nobody.ask(world.question(&plan)).await.unwrap_err();
        assert_eq!(refusal.class(), ErrorClass::Blocked);
        let text = refusal.to_string();
        assert!(text.contains("waits for consent") && text.contains("nothing was sent"), "{text}");
        assert!(refusal.hint().unwrap().contains("oar -r 4.19.1 consent change-advisory-status"));
        assert!(nobody.run.output.text().contains("advisory 150001"));
        assert!(!nobody.can_ask());
    }

    #[tokio::test]
    async fn standing_consent_is_for_the_named_tool_of_this_caller_and_is_named() {
        let (world, plan) = (World::new(), plan("advisory 150001"));
        world.record(&plan, 0).await;
        let standing = world.consent(&["oar_change_advisory_status"], None, false);
        standing.ask(world.question(&plan)).await.unwrap();
        let text = standing.run.output.text();
        assert!(text.contains("standing consent of model for oar_change_advisory_status"), "{text}");
        // A person's consent is not used up where none was needed.
        assert_eq!(world.used_by().await, None);
        let world = World::new();
        for (tools, tool) in [
            (&["oar_push_to_cdn_staging"][..], Some("oar_change_advisory_status")),
            (&["oar_change_advisory_status"][..], None),
        ] {
            let other = CallerConsent { tool, ..world.consent(tools, None, false) };
            assert!(other.ask(world.question(&plan)).await.is_err(), "{tools:?}");
        }
        // What consent in advance does not cover is asked all the same.
        let standing = world.consent(&["oar_change_advisory_status"], None, false);
        assert!(standing.ask_anew(world.question(&plan)).await.is_err());
    }

    #[tokio::test]
    async fn a_recorded_consent_is_for_exactly_this_plan_and_for_one_run() {
        let (world, shown, other) = (World::new(), plan("advisory 150001"), plan("advisory 150002"));
        world.record(&shown, 0).await;
        let changed =
            world.consent(&[], None, false).ask(world.question(&other)).await.unwrap_err().to_string();
        assert!(changed.contains("another plan"), "{changed}");
        let person = Person::who(Ok(false));
        let first = world.consent(&[], Some(&person), true);
        first.ask(world.question(&shown)).await.unwrap();
        assert_eq!(world.used_by().await.as_deref(), Some(first.run.id.as_str()));
        assert!(first.run.output.text().contains("ann consented to this plan"));
        // Nobody was asked again.
        assert!(person.shown().is_empty());
        let second =
            world.consent(&[], None, false).ask(world.question(&shown)).await.unwrap_err().to_string();
        assert!(second.contains("no longer valid"), "{second}");
    }

    #[tokio::test]
    async fn an_old_consent_is_none() {
        let (world, plan) = (World::new(), plan("advisory 150001"));
        world.record(&plan, 25).await;
        let refusal = world.consent(&[], None, false).ask(world.question(&plan)).await.unwrap_err();
        assert!(refusal.to_string().contains("no longer valid"), "{refusal}");
    }

    #[tokio::test]
    async fn a_person_at_the_client_is_shown_the_plan_where_the_token_allows_it() {
        let (world, plan) = (World::new(), plan("advisory 150001"));
        let person = Person::who(Ok(true));
        world.consent(&[], Some(&person), true).ask(world.question(&plan)).await.unwrap();
        assert!(person.shown()[0].contains("advisory 150001"), "{:?}", person.shown());
        let person = Person::who(Ok(true));
        world.consent(&[], Some(&person), true).said("yes\u{202e}\u{1b}[2K\nno").await;
        assert_eq!(person.shown(), ["yes\\u{202e}\\u{1b}[2K\nno"]);
        let person = Person::who(Ok(true));
        assert!(world.consent(&[], Some(&person), false).ask(world.question(&plan)).await.is_err());
        assert!(person.shown().is_empty());
        for (says, expected) in [(Ok(false), "declined"), (Err("the form was closed"), "the form was closed")]
        {
            let person = Person::who(says);
            let refusal =
                world.consent(&[], Some(&person), true).ask(world.question(&plan)).await.unwrap_err();
            assert!(refusal.to_string().contains(expected), "{refusal}");
        }
    }

    #[tokio::test]
    async fn of_two_runs_one_uses_a_consent() {
        let (world, plan) = (World::new(), plan("advisory 150001"));
        world.record(&plan, 0).await;
        let (one, two) = (world.consent(&[], None, false), world.consent(&[], None, false));
        let (one, two) = tokio::join!(one.ask(world.question(&plan)), two.ask(world.question(&plan)));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    }
}
