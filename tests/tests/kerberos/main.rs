//! Kerberos for real: an MIT KDC, and Apache with `mod_auth_gssapi` in front of the sandbox's Errata Tool.
//!
//! The Kerberos library takes its ticket from the environment of the process, so every case runs the library's
//! client in a process of its own: this test program again, with [`probe`] as its only test. The last tests run the
//! real `oar` the same way.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

mod realm;
mod server;
mod web_server;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use end_to_end::{ERRATA, Harness, RecordedRequest, Run, finish};
use oar_core::clients::Effect;
use oar_core::clients::errata::{AdvisoryId, ErrataClient, ErrataError};
use oar_core::clients::kerberos::Negotiate;
use oar_core::clock::Clock;
use oar_core::error::{Classified, ErrorClass};
use oar_core::http::{Http, HttpSettings};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use oar_core::service::Service;
use sandbox::services::errata::Negotiate as Acceptor;
use serde_json::{Value, json};

use crate::realm::Realm;
use crate::web_server::WebServer;

/// An advisory of the scenario.
const ADVISORY: u32 = 140_002;
const NEW_OWNER: &str = "demo-lead@example.com";
const OUTCOME: &str = "outcome: ";
const URL_VARIABLE: &str = "OAR_TEST_PROBE_URL";
const READERS_VARIABLE: &str = "OAR_TEST_PROBE_READERS";

struct World {
    harness: Harness,
    realm: Realm,
    web: WebServer,
}

impl World {
    fn start() -> Self {
        let harness = Harness::new();
        harness.sandbox.world().errata.lock().negotiate = Acceptor::Off;
        let realm = Realm::start();
        let web = WebServer::start(&realm, &format!("{}/errata", harness.sandbox.base_url()));
        Self { harness, realm, web }
    }

    /// Takes the advisory with the ticket in `cache`.
    fn take(&self, url: &str, cache: &Path) -> Value {
        Self::take_with(url, cache, &self.realm.configuration(), 0)
    }

    /// Runs [`probe`] in a process of its own.
    fn take_with(url: &str, cache: &Path, configuration: &Path, readers: usize) -> Value {
        let mut probe = Command::new(std::env::current_exe().unwrap());
        probe
            .args(["--exact", "probe", "--ignored", "--nocapture"])
            .env_remove("KRB5_CLIENT_KTNAME")
            .env("KRB5_CONFIG", configuration)
            .env("KRB5CCNAME", cache)
            .env(URL_VARIABLE, url)
            .env(READERS_VARIABLE, readers.to_string())
            .env("NO_PROXY", "localhost,127.0.0.1");
        let output = server::run(&mut probe);
        let text = String::from_utf8(output.stdout).unwrap();
        let outcome = text.lines().find_map(|line| line.split_once(OUTCOME)).map(|(_, outcome)| outcome);
        serde_json::from_str(outcome.unwrap_or_else(|| panic!("no outcome in {text}"))).unwrap()
    }

    /// Runs `oar take-ownership` on the Errata release, through Apache, with the ticket in `cache`.
    fn oar_takes(&self, cache: &Path) -> Run {
        let mut oar = self.harness.command("oar", ["-r", ERRATA, "take-ownership", "--email", NEW_OWNER]);
        oar.env("OAR_ENDPOINT_ERRATA", self.web.url())
            .env("KRB5_CONFIG", self.realm.configuration())
            .env("KRB5CCNAME", cache);
        finish(oar)
    }

    fn owner(&self) -> String {
        self.harness.sandbox.world().errata.lock().owner(ADVISORY).unwrap().to_owned()
    }
}

/// The library's client in a process of its own: `readers` concurrent reads, then a change of the owner.
///
/// The other tests of this file start it with its environment: `cargo test -p end-to-end --test kerberos` runs it, and
/// fails when it finds something wrong.
#[test]
#[ignore = "run by the other tests of this file: cargo test -p end-to-end --test kerberos"]
fn probe() {
    let Ok(url) = std::env::var(URL_VARIABLE) else { return };
    let readers: usize = std::env::var(READERS_VARIABLE).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = match runtime.block_on(take_advisory(&url, readers)) {
        Ok(effect) => json!({"effect": format!("{effect:?}")}),
        Err(error) => json!({
            "class": format!("{:?}", error.class()),
            "message": error.to_string(),
            "hint": error.hint().unwrap_or_default(),
        }),
    };
    println!("{OUTCOME}{outcome}");
}

async fn take_advisory(url: &str, readers: usize) -> Result<Effect, ErrataError> {
    let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
    let negotiate = Negotiate::new(Service::Errata).cache_setting(std::env::var("KRB5CCNAME").ok());
    let client = ErrataClient::new(http, url.parse().unwrap(), Arc::new(negotiate));
    let id = AdvisoryId::new(ADVISORY.into());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..readers {
        let client = client.clone();
        tasks.spawn(async move { client.erratum(id).await });
    }
    for outcome in tasks.join_all().await {
        outcome?;
    }
    client.set_qe_owner(id, &NEW_OWNER.parse().unwrap(), &WritePermit::granted_by_user_interface()).await
}

#[test]
fn a_ticket_from_a_keytab_opens_the_errata_tool_with_one_exchange_per_call() {
    let world = World::start();
    let cache = world.realm.ticket("bot", "1h");
    let outcome = World::take_with(&world.web.url(), &cache, &world.realm.configuration(), 20);
    assert_eq!(outcome, json!({"effect": "Changed"}), "{}", world.web.errors());
    assert_eq!(world.owner(), NEW_OWNER);
    let log = world.web.log();
    assert_eq!(log.len(), 23, "20 reads, then look, change, look: {log:#?}");
    for line in &log {
        assert!(line.starts_with('2') && line.ends_with(" bot@EXAMPLE.TEST"), "{log:#?}");
    }
    assert_eq!(world.take(&world.web.url(), &cache), json!({"effect": "AlreadySo"}));
    assert_eq!(world.harness.sandbox.world().errata.lock().times_sent(ADVISORY, "assigned_to_email"), 1);
    world.harness.sandbox.assert_no_unexpected();
}

#[test]
fn without_a_good_ticket_nothing_is_sent_and_the_message_says_what_to_do() {
    let world = World::start();
    let url = world.web.url();
    let good = world.realm.ticket("bot", "1h");
    let missing = world.realm.folder().join("no-such-cache");
    let cases = [
        ("missing", world.take(&url, &missing), ErrorClass::Configuration, "no Kerberos ticket in the cache"),
        (
            "expired",
            world.take(&url, &world.realm.expired_ticket()),
            ErrorClass::Configuration,
            "the Kerberos ticket is expired",
        ),
        (
            "unknown service",
            world.take(&world.web.url_unknown_to_the_realm(), &good),
            ErrorClass::Configuration,
            "does not know the service HTTP/127.0.0.1",
        ),
        (
            "KDC down",
            World::take_with(&url, &good, &world.realm.configuration_without_kdc(), 0),
            ErrorClass::Unavailable,
            "no Kerberos server (KDC) of the realm answers",
        ),
    ];
    for (case, outcome, class, words) in cases {
        let text = |key: &str| outcome.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(text("class"), format!("{class:?}"), "{case}: {outcome}");
        assert!(text("message").contains(words), "{case}: {outcome}");
        assert!(
            text("message").contains("Errata Tool: cannot read owners (advisory 140002)"),
            "{case}: {outcome}"
        );
        assert!(text("hint").contains("kinit -k -t <keytab> <principal>"), "{case}: {outcome}");
        assert!(text("hint").contains("KRB5CCNAME"), "{case}: {outcome}");
    }
    assert_eq!(world.web.log(), Vec::<String>::new());
    assert!(world.harness.sandbox.requests().is_empty());
}

#[test]
fn a_refused_ticket_is_told_from_a_missing_right() {
    let world = World::start();
    let owner = world.owner();
    let refused = world.take(&world.web.outdated_url(), &world.realm.ticket("bot", "1h"));
    assert_eq!(refused["class"], "Configuration", "{refused} {}", world.web.errors());
    assert!(refused["message"].as_str().unwrap().contains("credential refused (HTTP 401)"), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("klist"), "{refused}");
    let stranger = world.take(&world.web.url(), &world.realm.ticket("nobody", "1h"));
    assert_eq!(stranger["class"], "Configuration");
    assert!(stranger["message"].as_str().unwrap().contains("not permitted (HTTP 403)"), "{stranger}");
    assert_eq!(world.owner(), owner);
    let log = world.web.log();
    assert_eq!(log.len(), 2, "neither is tried again: {log:#?}");
    assert!(world.harness.sandbox.writes().is_empty());
}

#[test]
fn oar_takes_ownership_with_a_ticket_from_a_keytab() {
    let world = World::start();
    assert_ne!(world.owner(), NEW_OWNER);
    let cache = world.realm.ticket("bot", "1h");
    let run = world.oar_takes(&cache).expect(0);
    assert!(run.stdout.contains("set QE owner of advisory 140002"), "{run:?}");
    assert_eq!(world.owner(), NEW_OWNER);
    let log = world.web.log();
    assert!(!log.is_empty());
    for line in &log {
        assert!(line.starts_with('2') && line.ends_with(" bot@EXAMPLE.TEST"), "{log:#?}");
    }
    let again = world.oar_takes(&cache).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    world.harness.sandbox.assert_no_unexpected();
}

#[test]
fn oar_without_a_good_ticket_exits_3_with_the_kinit_line_and_changes_nothing() {
    let world = World::start();
    let owner = world.owner();
    for (cache, words) in [
        (world.realm.folder().join("no-such-cache"), "no Kerberos ticket in the cache"),
        (world.realm.expired_ticket(), "the Kerberos ticket is expired"),
    ] {
        let run = world.oar_takes(&cache).expect(3);
        assert!(run.stderr.contains(words), "{run:?}");
        assert!(run.stderr.contains("kinit -k -t <keytab> <principal>"), "{run:?}");
        let state = world.harness.statebox(ERRATA).unwrap();
        assert!(state.contains("- name: take-ownership\n  status: Not Started\n"), "{state}");
    }
    assert_eq!(world.owner(), owner);
    assert_eq!(world.web.log(), Vec::<String>::new());
    let others = |request: &RecordedRequest| request.service != "github";
    assert!(!world.harness.sandbox.writes().iter().any(others), "{}", world.harness.request_lines());
}
