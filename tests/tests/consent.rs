//! `oar consent`: a person consents to a plan, and one run of a caller that may not consent itself uses that up.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use end_to_end::{ERRATA, Harness, KONFLUX, approval, wait};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use oar_core::clients::Clients;
use oar_core::clock::{Clock, ClockSource};
use oar_core::config::{Environment, Settings};
use oar_core::flow::consent::{Consent, Question};
use oar_core::flow::interrupt::Interrupt;
use oar_core::flow::outcome::Refusal;
use oar_core::http::Http;
use oar_core::operations::consent::use_consent;
use oar_core::operations::{Call, Program, row};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use sandbox::services::errata::AdvisoryState;
use serde_json::{Value, json};

const PUSH: &str = "push-to-cdn-staging";
const APPROVE: &str = "change-advisory-status";

/// What a caller is told to run.
const CALL: &str = "CONSENT_TEST_CALL";
/// What stands before its outcome.
const OUTCOME: &str = "outcome: ";

/// The machine's time, and so many seconds.
struct Later(SignedDuration);

impl ClockSource for Later {
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.0
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// A caller that may not consent: only what a person recorded counts.
#[derive(Debug)]
struct Recorded {
    clients: Clients,
    run: String,
    permit: WritePermit,
}

#[async_trait]
impl Consent for Recorded {
    fn can_ask(&self) -> bool {
        false
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        match use_consent(&self.clients, question, &self.run, &self.permit).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::new(error.inner().class(), error.inner().to_string())),
        }
    }
}

/// A program that acts for somebody who may not consent: a process of its own, because the Kerberos library reads the
/// environment of its process.
#[test]
#[ignore = "a program that the other tests of this file start: cargo test -p end-to-end --test consent"]
fn caller() {
    let told: Value = serde_json::from_str(&std::env::var(CALL).unwrap()).unwrap();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    let environment = Environment::of_process();
    let settings = Settings::load(&environment).unwrap();
    let clock = Clock::new(Arc::new(Later(SignedDuration::from_secs(told["later"].as_i64().unwrap()))));
    let http = Http::new(settings.http().clone(), clock, Redactor::new(environment.secrets())).unwrap();
    let clients = Clients::new(settings, http);
    let permit = WritePermit::granted_by_user_interface;
    let consent = Recorded { clients: clients.clone(), run: text("run"), permit: permit() };
    let (_sender, interrupt) = Interrupt::channel();
    let call = Call::new(clients, interrupt).about(text("release").parse().unwrap()).unwrap();
    let call = call.permitted(permit(), Arc::new(consent)).by("mcp:assistant").named(text("run"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let row = row(Program::Oar, &text("command")).unwrap();
    let outcome = runtime.block_on(row.perform(json!({}), &call)).unwrap();
    println!(
        "\n{OUTCOME}{}",
        json!({ "class": outcome.class.map(|class| format!("{class:?}")), "document": outcome.document })
    );
}

/// A run by such a program that goes on.
struct Caller(Child);

impl Caller {
    fn start(harness: &Harness, release: &str, command: &str, run: &str, later: SignedDuration) -> Self {
        let inner = harness.command("oar", ["status"]);
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "caller", "--ignored", "--nocapture"]).env_clear();
        program.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let told = json!({ "release": release, "command": command, "run": run, "later": later.as_secs() });
        program.env(CALL, told.to_string()).current_dir(harness.home());
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(program.spawn().unwrap())
    }

    /// Its outcome: the class of its error, and the report.
    fn outcome(self) -> Value {
        let run = wait(self.0).expect(0);
        let line = run.stdout.lines().find_map(|line| line.strip_prefix(OUTCOME));
        serde_json::from_str(line.unwrap()).unwrap()
    }
}

/// One run, to its end.
fn run(harness: &Harness, release: &str, command: &str, id: &str) -> Value {
    Caller::start(harness, release, command, id, SignedDuration::ZERO).outcome()
}

#[track_caller]
fn refused(outcome: &Value, words: &str) {
    assert_eq!(outcome["class"], "Blocked", "{outcome:#}");
    let why = outcome["document"]["reason"]["text"].as_str().unwrap_or_default();
    assert!(why.contains(words), "{why}");
    assert_eq!(outcome["document"]["done"], json!([]), "{outcome:#}");
}

/// What was changed anywhere; reads by POST are no changes.
fn changes(harness: &Harness) -> Vec<String> {
    let writes = harness.sandbox.writes().into_iter().filter(|write| write.service != "brewhub");
    writes.map(|write| write.line()).collect()
}

fn announced(release: &str) -> Harness {
    let harness = Harness::announced(release);
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = AdvisoryState::Qe;
    harness.sandbox.clear_requests();
    harness
}

/// How many push jobs each advisory has.
fn jobs(harness: &Harness) -> BTreeMap<u32, usize> {
    let errata = harness.sandbox.world().errata.lock();
    let pushed = errata.advisories.iter().filter(|(_, advisory)| !advisory.push_jobs.is_empty());
    pushed.map(|(id, advisory)| (*id, advisory.push_jobs.len())).collect()
}

fn history(harness: &Harness, release: &str) -> Value {
    harness.oar(release, &["history", "--output", "json"]).expect(0).json()["consents"].clone()
}

fn consent(harness: &Harness, release: &str, task: &str) -> Value {
    let given = harness.oar(release, &["consent", task, "--yes", "--output", "json"]).expect(0).json();
    assert_eq!((&given["outcome"], &given["changed"]), (&json!("given"), &json!(true)), "{given:#}");
    given
}

#[test]
fn a_consent_is_recorded_shown_and_used_by_one_run_in_both_flows() {
    for release in [KONFLUX, ERRATA] {
        let harness = announced(release);
        refused(&run(&harness, release, PUSH, "run-0"), "nobody has consented to this plan");
        let given = consent(&harness, release, PUSH);
        assert_eq!(jobs(&harness), BTreeMap::new(), "nothing of the plan is done");
        assert_eq!(given["consents"][0]["by"], "tester");
        assert!(given["plan"]["steps"].as_array().unwrap().len() > 1, "{given:#}");
        let status = harness.oar(release, &["status"]).expect(0).stdout;
        assert!(status.contains("tester consented to one run of its plan at "), "{status}");

        harness.sandbox.clear_requests();
        let again = harness.oar(release, &["consent", PUSH, "--yes"]).expect(0).stdout;
        assert!(again.contains("is recorded already: by tester at "), "{again}");
        assert_eq!(changes(&harness), Vec::<String>::new());

        let outcome = run(&harness, release, PUSH, "run-1");
        assert_eq!(outcome["class"], Value::Null, "{outcome:#}");
        let pushed = jobs(&harness);
        assert!(pushed.len() > 1 && pushed.values().all(|count| *count == 1), "{pushed:?}");
        let known = history(&harness, release);
        assert_eq!(known[0]["consent"]["run"], "run-1", "{known:#}");
        assert!(known[0]["standing"].as_str().unwrap().starts_with("used by run run-1 at "), "{known:#}");
        let status = harness.oar(release, &["status"]).expect(0).stdout;
        assert!(!status.contains("consented"), "{status}");
        let text = harness.oar(release, &["history"]).expect(0).stdout;
        assert!(
            text.contains("push-to-cdn-staging") && text.contains("consent by tester, used by run run-1"),
            "{text}"
        );
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn an_approval_runs_with_its_own_consent_and_not_with_that_of_its_part() {
    for release in [KONFLUX, ERRATA] {
        let harness = approval::ready(release);
        if release == KONFLUX {
            consent(&harness, release, "add-qe-approval");
            refused(&run(&harness, release, APPROVE, "run-0"), "the plan has changed");
            assert!(approval::approved_by(&harness).is_empty());
            let withdrawn = harness.oar(release, &["consent", APPROVE, "--withdraw"]).expect(0).stdout;
            assert!(withdrawn.contains("there is no valid consent to change-advisory-status"), "{withdrawn}");
        }
        consent(&harness, release, APPROVE);
        // Time passes: the plan must not depend on the minute in which it is made.
        let later = SignedDuration::from_mins(90);
        let outcome = Caller::start(&harness, release, APPROVE, "run-1", later).outcome();
        assert_eq!(outcome["class"], Value::Null, "{outcome:#}");
        if release == KONFLUX {
            assert_eq!(approval::approved_by(&harness).len(), 1);
            assert_eq!(history(&harness, release).as_array().unwrap().len(), 2);
        } else {
            assert_eq!(approval::state_of(&harness, 140_001), AdvisoryState::RelPrep);
        }
    }
}

#[test]
fn a_plan_that_changes_is_another_one() {
    let harness = announced(KONFLUX);
    consent(&harness, KONFLUX, PUSH);
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = AdvisoryState::DroppedNoShip;
    refused(&run(&harness, KONFLUX, PUSH, "run-1"), "is to another plan, and the plan has changed");
    assert_eq!(jobs(&harness), BTreeMap::new());
    consent(&harness, KONFLUX, PUSH);
    assert_eq!(run(&harness, KONFLUX, PUSH, "run-1")["class"], Value::Null);
    assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 1)]));
    let known = history(&harness, KONFLUX);
    assert_eq!((&known[0]["consent"]["run"], &known[1]["consent"]["run"]), (&Value::Null, &json!("run-1")));
}

#[test]
fn a_consent_can_be_withdrawn_and_ends_after_a_day() {
    let harness = announced(KONFLUX);
    consent(&harness, KONFLUX, PUSH);
    let before = harness.statebox(KONFLUX);
    let tried = harness.oar(KONFLUX, &["consent", PUSH, "--withdraw", "--dry-run"]).expect(0).stdout;
    assert!(tried.contains("would be withdrawn"), "{tried}");
    assert_eq!(harness.statebox(KONFLUX), before);
    let withdrawn = harness.oar(KONFLUX, &["consent", PUSH, "--withdraw"]).expect(0).stdout;
    assert!(withdrawn.contains("the consent to push-to-cdn-staging of 4.19.1 by tester at "), "{withdrawn}");
    refused(&run(&harness, KONFLUX, PUSH, "run-1"), "withdrawn by tester at ");
    let again = harness.oar(KONFLUX, &["consent", PUSH, "--withdraw"]).expect(0).stdout;
    assert!(
        again.contains("there is no valid consent to push-to-cdn-staging of 4.19.1 to withdraw"),
        "{again}"
    );

    consent(&harness, KONFLUX, PUSH);
    let later = SignedDuration::from_hours(24) + SignedDuration::from_mins(1);
    let late = Caller::start(&harness, KONFLUX, PUSH, "run-1", later).outcome();
    refused(&late, "no longer valid: expired at ");
    assert_eq!(jobs(&harness), BTreeMap::new());
}

#[test]
fn of_two_runs_at_once_one_uses_the_consent() {
    let harness = announced(ERRATA);
    consent(&harness, ERRATA, PUSH);
    let start = |run: &str| Caller::start(&harness, ERRATA, PUSH, run, SignedDuration::ZERO);
    let (one, other) = (start("run-1"), start("run-2"));
    let (one, other) = (one.outcome(), other.outcome());
    let refused = [&one, &other].into_iter().filter(|outcome| !outcome["class"].is_null()).count();
    assert_eq!(refused, 1, "{one:#}\n{other:#}");
    assert!(jobs(&harness).values().all(|count| *count == 1), "{:?}", jobs(&harness));
    let known = history(&harness, ERRATA);
    let winner = if one["class"].is_null() { "run-1" } else { "run-2" };
    assert_eq!(known[0]["consent"]["run"], winner, "{known:#}");
}

#[test]
fn without_a_clear_yes_nothing_is_recorded() {
    let harness = announced(KONFLUX);
    let before = harness.statebox(KONFLUX);
    let tried = harness.oar(KONFLUX, &["consent", PUSH, "--dry-run"]).expect(0).stdout;
    assert!(
        tried.contains("push-to-cdn-staging of 4.19.1 will:") && tried.contains("would be recorded"),
        "{tried}"
    );
    let asked = harness.oar(KONFLUX, &["consent", PUSH]).expect(6).stderr;
    assert!(asked.contains("there is no terminal to ask on; nothing was recorded"), "{asked}");
    assert!(asked.contains("oar -r 4.19.1 consent push-to-cdn-staging --dry-run"), "{asked}");
    assert!(!asked.contains("cannot be undone"), "{asked}");
    assert_eq!(harness.statebox(KONFLUX), before);
    assert_eq!(changes(&harness), Vec::<String>::new());
}

#[test]
fn where_nothing_waits_for_consent_none_is_recorded() {
    let harness = announced(KONFLUX);
    harness.oar(KONFLUX, &[PUSH, "--yes"]).expect(0);
    harness.sandbox.clear_requests();
    let started = harness.oar(KONFLUX, &["consent", PUSH, "--yes"]).expect(0).stdout;
    assert!(started.contains("has nothing to do that needs consent: "), "{started}");
    let next = "; to have that recorded: oar -r 4.19.1 push-to-cdn-staging";
    assert!(started.trim_end().ends_with(next), "{started}");
    let blocked = harness.oar(KONFLUX, &["consent", APPROVE, "--yes"]).expect(6).stderr;
    assert!(blocked.contains("change-advisory-status of 4.19.1 has no plan to consent to: "), "{blocked}");
    assert_eq!(changes(&harness), Vec::<String>::new());
    for task in ["stage-testing", "analyze-promoted-build"] {
        let none = harness.oar(KONFLUX, &["consent", task]).expect(2).stderr;
        assert!(none.contains("needs no consent; these tasks do: push-to-cdn-staging"), "{none}");
    }
    let absent = Harness::new().oar(ERRATA, &["consent", PUSH, "--yes"]);
    assert_ne!(absent.code, Some(0), "{absent:?}");
}
