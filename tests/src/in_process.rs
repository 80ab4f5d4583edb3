//! Operations in the test's own process: they and the sandbox share one clock, which the test alone moves.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use oar_core::clients::Clients;
use oar_core::clock::{Clock, ClockSource};
use oar_core::config::{Environment, Settings};
use oar_core::http::Http;
use oar_core::redact::Redactor;
use sandbox::{Fault, FaultKind, Sandbox};

use crate::Harness;
use crate::matrix::sample::Numbers;

/// The sandbox's time, which the test alone moves. Pauses pass at once.
#[derive(Debug)]
struct SandboxTime(Sandbox);

impl ClockSource for SandboxTime {
    fn now(&self) -> Timestamp {
        self.0.clock().now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // Shorter ones end before longer ones.
        Box::pin(tokio::time::sleep((duration / 500).min(Duration::from_millis(20))))
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// The clock of `sandbox`, on which every pause is short.
pub fn clock(sandbox: &Sandbox) -> Clock {
    Clock::new(Arc::new(SandboxTime(sandbox.clone())))
}

/// The environment that a program of `harness` would have.
///
/// # Panics
/// When it cannot be set up.
pub fn environment(harness: &Harness) -> Environment {
    let command = harness.command("oarctl", ["drive"]);
    let pairs = command.get_envs().map(|(name, value)| {
        let text = |text: &OsStr| text.to_str().unwrap().to_owned();
        (text(name), text(value.unwrap()))
    });
    // Tickets are for this host: see `with_tickets`.
    let own = harness.sandbox.base_url().trim_start_matches("http://").split(':').next().unwrap().to_owned();
    let signs_in = ["OAR_ENDPOINT_ERRATA", "OAR_ENDPOINT_BREWHUB", "OAR_ENDPOINT_PYXIS"];
    let pairs = pairs.map(|(name, value)| {
        let value = if signs_in.contains(&name.as_str()) { value.replace(&own, "127.0.0.1") } else { value };
        (name, value)
    });
    Environment::from_pairs(pairs).with_working_directory(harness.home())
}

/// Says to the child of [`again_with_tickets`] that it is one, and where it says that it has come to its end.
const HAS_TICKETS: &str = "OAR_TEST_HAS_TICKETS";

/// Does `work` where Kerberos finds tickets for 127.0.0.1: its library reads the environment of the process, so that is a child,
/// this program once more with `arguments`, which comes here again.
///
/// # Panics
/// When the child fails, or does not come here.
pub fn again_with_tickets(arguments: &[&str], work: impl FnOnce()) {
    if let Some(marker) = std::env::var_os(HAS_TICKETS) {
        work();
        std::fs::write(marker, "done").unwrap();
        return;
    }
    let harness = Harness::new();
    let tickets = harness.sandbox.environment().into_iter().filter(|(name, _)| name.starts_with("KRB5"));
    let marker = harness.home().join("done-with-tickets");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env(HAS_TICKETS, &marker)
        .envs(tickets)
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
    assert!(marker.exists(), "{arguments:?}: the child did not do the work");
}

/// Runs `body`, the work of the test `name` of this program, where Kerberos finds tickets for 127.0.0.1.
///
/// # Panics
/// When the test fails there, or there is no test of this name.
pub fn with_tickets(name: &str, body: impl FnOnce()) {
    again_with_tickets(&[name, "--exact", "--include-ignored", "--nocapture"], body);
}

/// The clients of a process that has just started.
///
/// # Panics
/// When it cannot be set up.
pub fn clients(environment: &Environment, clock: Clock) -> Clients {
    let settings = Settings::load(environment).unwrap();
    let http = Http::new(settings.http().clone(), clock, Redactor::new(environment.secrets())).unwrap();
    Clients::new(settings, http)
}

/// Waits until what was on its way when a process ended has arrived, or is gone.
///
/// # Panics
/// When the sandbox does not answer.
pub async fn settle(sandbox: &Sandbox) {
    tokio::time::sleep(Duration::from_millis(5)).await;
    for _ in 0..3 {
        let url = format!("{}/_sandbox/clock", sandbox.base_url());
        // Only that it was answered counts.
        drop(reqwest::get(url).await.unwrap());
    }
}

/// A request at which a process ends, before or after it took effect. Half of them are among the writes.
pub fn end_at(numbers: &mut Numbers) -> Fault {
    let kind = if numbers.below(2) == 0 { FaultKind::Hang } else { FaultKind::HangAfter };
    match numbers.below(4) {
        0 => Fault::anywhere(kind).method("POST").skip(numbers.below(12)),
        1 => Fault::anywhere(kind).method("PUT").skip(numbers.below(4)),
        _ => Fault::anywhere(kind).skip(numbers.below(40)),
    }
}
