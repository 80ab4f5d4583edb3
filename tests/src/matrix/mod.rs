//! One table of commands and flows ([`table`]), and the proofs that are made for every line of it ([`proofs`]): faults,
//! kills, a second run, a dry run, JSON, secrets, budgets.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod at_once;
mod pool;
mod prepare;
pub mod proofs;
pub mod sample;
mod table;

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

pub use at_once::two_at_once;
pub use table::{scenario, table};

use crate::effects::Effects;
use crate::{ERRATA, Harness, RecordedRequest, Run, Snapshot, finish};

/// What a command is to the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A task: it ends with this status.
    Task(&'static str, &'static str),
    /// It changes the StateBox and has a dry run.
    Change,
    /// It continues an earlier run, without a dry run: this task ends with this status.
    CarriesOn(&'static str, &'static str),
    /// It only reads.
    Look,
    /// It does not apply; these words say what to do instead.
    Refused(&'static str),
}

/// One command in one flow, in a world where it has work to do.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Unique; the name of its tests.
    pub name: &'static str,
    /// The release.
    pub release: &'static str,
    /// The command and its arguments; the first word may be `oarctl`, `job` or `jobctl` instead of a command
    /// of `oar`.
    pub command: &'static [&'static str],
    /// What it is.
    pub kind: Kind,
    /// The exit code of every run that nothing disturbs, the second one too.
    pub code: i32,
    /// Brings a fresh sandbox to where the command has work to do.
    pub prepare: fn(Harness) -> Harness,
    /// The most requests that a run may make.
    pub requests: usize,
    /// What the reference needs, where that was measured.
    pub reference: Option<usize>,
    /// The command that finishes what a run left; nearly always the same one.
    pub resume: &'static [&'static str],
    /// The people whom the command answers, if it does.
    pub people: Option<People>,
}

/// What people do around a command that answers them.
#[derive(Debug, Clone, Copy)]
pub struct People {
    /// They ask, whenever the world is at its start.
    pub ask: fn(&Harness),
    /// Whoever was told that it was not done asks again; whether somebody did.
    pub ask_again: fn(&Harness) -> bool,
}

impl Scenario {
    /// The flow, for people.
    pub fn flow(&self) -> &'static str {
        match (self.release, self.command.first()) {
            (_, Some(&("job" | "jobctl"))) => "Prow",
            (ERRATA, _) => "Errata",
            _ => "Konflux",
        }
    }

    /// The sandbox with the work to do, and its state to go back to.
    pub fn prepared(&self, latency: Duration) -> Prepared<'_> {
        // Services stand still, so that jobs do not go on while a busy machine works through the cases.
        let clock = sandbox::ClockStart::Frozen(jiff::Timestamp::now());
        let harness = Harness::with(crate::Options { clock, ..crate::Options::default() });
        let harness = (self.prepare)(harness);
        harness.sandbox.clear_requests();
        harness.sandbox.faults().clear();
        harness.sandbox.set_latency(latency);
        let start = harness.sandbox.world().snapshot();
        let prepared = Prepared { scenario: self, harness, start };
        prepared.ask();
        prepared
    }

    /// The program and its arguments: the release, `before`, the command, `after`.
    fn arguments(
        &self,
        command: &'static [&'static str],
        before: &[&'static str],
        after: &[&'static str],
    ) -> (&'static str, Vec<&'static str>) {
        let (program, command) = match command {
            [program @ ("oarctl" | "job" | "jobctl"), rest @ ..] => (*program, rest),
            command => ("oar", command),
        };
        // What is about every release is told none.
        let names_one = program == "oar" && !command.contains(&"--all") && command != ["releases"];
        let release = if names_one { &["-r", self.release][..] } else { &[] };
        (program, [release, before, command, after].concat())
    }
}

/// A sandbox in which a scenario's command has work to do.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The sandbox and the programs.
    pub harness: Harness,
    start: Snapshot,
}

impl Prepared<'_> {
    /// Goes back to the start.
    pub fn reset(&self) {
        self.harness.reset(&self.start);
        self.ask();
    }

    fn ask(&self) {
        if let Some(people) = &self.scenario.people {
            (people.ask)(&self.harness);
        }
    }

    /// The command, with more options before and after it.
    pub fn command(&self, before: &[&'static str], after: &[&'static str]) -> Command {
        let (program, arguments) = self.scenario.arguments(self.scenario.command, before, after);
        self.harness.command(program, arguments)
    }

    /// Runs the command to its end.
    pub fn run(&self) -> Run {
        finish(self.command(&[], &[]))
    }

    /// Runs the command that finishes what a run left; again, when people had to ask again.
    pub fn resume(&self) -> Run {
        let (program, arguments) = self.scenario.arguments(self.scenario.resume, &[], &[]);
        let run = self.harness.run(program, &arguments);
        match &self.scenario.people {
            Some(people) if (people.ask_again)(&self.harness) => self.harness.run(program, &arguments),
            _ => run,
        }
    }

    /// Runs the command to its end, with more options before and after it.
    pub fn run_with(&self, before: &[&'static str], after: &[&'static str]) -> Run {
        finish(self.command(before, after))
    }

    /// The requests so far, each with its service, method and path once.
    pub fn distinct_requests(&self) -> Vec<RecordedRequest> {
        let mut seen = HashSet::new();
        let requests = self.harness.sandbox.requests().into_iter();
        requests.filter(|request| seen.insert(request.line())).collect()
    }

    /// What a run that nothing disturbs does.
    ///
    /// # Panics
    /// When it does not end as it should.
    pub fn undisturbed(&self) -> Effects {
        self.run().expect(self.scenario.code);
        let effects = Effects::of(&self.harness);
        self.assert_done(&effects);
        effects
    }

    fn assert_done(&self, effects: &Effects) {
        if let Kind::Task(name, status) | Kind::CarriesOn(name, status) = self.scenario.kind {
            let stands = effects.facts.get(&format!("{} {name} status", self.scenario.release));
            assert_eq!(stands.map(String::as_str), Some(status), "{name}: {:#?}", effects.facts);
        }
        self.harness.sandbox.assert_no_unexpected();
    }
}
