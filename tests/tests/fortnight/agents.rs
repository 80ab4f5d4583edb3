//! The process with all agents: what it keeps between passes, and how it ends in the middle of them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end::in_process::{clients, clock, environment, settle};
use end_to_end::{Fault, Harness, Sandbox};
use futures::future::{BoxFuture, join, join_all};
use jiff::Timestamp;
use oar_core::clients::Clients;
use oar_core::clock::{Clock, ClockSource};
use oar_core::config::Environment;
use oar_core::flow::interrupt::Interrupt;
use oar_core::operations::jira_notificator::JiraNotificator;
use oar_core::operations::jobctl::start_aggregator::StartAggregator;
use oar_core::operations::jobctl::start_controller::StartController;
use oar_core::operations::oarctl::check_test_results::CheckTestResults;
use oar_core::operations::oarctl::drive::DriveReleases;
use oar_core::operations::oarctl::start_release_detector::StartReleaseDetector;
use oar_core::operations::slack_bot::SlackBot;
use oar_core::operations::{Call, Conclusion as _, NoConsent, Observer, Operation, Part, perform};
use oar_core::permit::WritePermit;
use oar_core::version::Arch;
use sandbox::services::github::STATE_REPOSITORY;

use crate::conversation::Conversation;
use crate::releases::{RESULTS, STREAMS};

/// The sandbox's time for the Slack bot, whose connections last: pauses are short, and the longer of two stays the longer one.
struct BotTime(Sandbox);

impl ClockSource for BotTime {
    fn now(&self) -> Timestamp {
        self.0.clock().now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / 50))
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// What the result checker keeps in its file, which outlives the process.
#[derive(Debug, Clone, Default)]
struct NotifiedFile(Arc<Mutex<String>>);

impl Observer for NotifiedFile {
    fn note(&self, _text: &str) {}

    fn warn(&self, _text: &str) {}

    fn part(&self, part: Part<'_>) {
        if let Part::Notified(notified) = part {
            *self.0.lock().unwrap() = notified.text();
        }
    }
}

/// How passes ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// All came to their end, with these problems.
    Whole(Vec<String>),
    /// The process ended in the middle of them.
    Killed,
}

/// The agents in one process, which share the clients of all services.
pub(crate) struct Process {
    sandbox: Sandbox,
    environment: Environment,
    clients: Clients,
    notified: NotifiedFile,
    /// It lives as long as the process.
    bot: Option<SlackBot>,
}

impl Process {
    pub(crate) fn start(harness: &Harness) -> Self {
        let environment = environment(harness);
        let sandbox = harness.sandbox.clone();
        let clients = clients(&environment, clock(&sandbox));
        Self { sandbox, environment, clients, notified: NotifiedFile::default(), bot: None }
    }

    /// Makes the passes that are due, all at once, while the bot answers. With a fault the process ends when the fault hits.
    pub(crate) async fn passes(
        &mut self,
        harness: &Harness,
        hourly: bool,
        talk: &Conversation,
        end: Option<Fault>,
    ) -> Ended {
        let mut bot = if let Some(bot) = self.bot.take() {
            bot
        } else {
            let clock = Clock::new(Arc::new(BotTime(self.sandbox.clone())));
            talk.bot(&clients(&self.environment, clock)).await
        };
        let end = end.map(|fault| self.sandbox.faults().add(fault));
        self.sandbox.world().google_oauth.lock().judged_at = Some(self.sandbox.clock().now());
        let passes = self.due(hourly);
        let sandbox = self.sandbox.clone();
        let ended = async move {
            let Some(fault) = end else { return std::future::pending().await };
            while sandbox.faults().hits(fault) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let whole = tokio::select! {
            (problems, unanswered) = join(passes, talk.answered(harness, &mut bot)) => {
                Some(problems.into_iter().chain([unanswered]).flatten().collect())
            }
            () = ended => None,
        };
        self.sandbox.faults().clear();
        if let Some(problems) = whole {
            self.bot = Some(bot);
            return Ended::Whole(problems);
        }
        drop(bot);
        self.clients = clients(&self.environment, clock(&self.sandbox));
        settle(&self.sandbox).await;
        Ended::Killed
    }

    /// The passes, each with the words of its problem, if it has one.
    fn due(&self, hourly: bool) -> impl Future<Output = Vec<Option<String>>> + use<> {
        let streams = STREAMS.iter().map(|stream| stream.parse().unwrap()).collect();
        let detector = StartReleaseDetector { minor_release: streams, ..StartReleaseDetector::default() };
        let mut passes: Vec<BoxFuture<'static, Option<String>>> = vec![Box::pin(pass(detector, self.call()))];
        if hourly {
            passes.push(Box::pin(pass(JiraNotificator::default(), self.call())));
            let checker = CheckTestResults {
                repo_name: STATE_REPOSITORY.to_owned(),
                slack_channel: "#qe-demo".to_owned(),
                notified: Some(self.notified.0.lock().unwrap().clone()),
                limit: 5,
                path: RESULTS.to_owned(),
                branch: "record".to_owned(),
                include_stable: false,
                dry_run: false,
            };
            passes.push(Box::pin(pass(checker, self.call())));
            let controller = StartController {
                release: vec!["4.20".parse().unwrap()],
                no_nightly: false,
                trigger_prow_job: true,
                arch: Arch::Amd64,
                dry_run: false,
            };
            passes.push(Box::pin(pass(controller, self.call())));
            passes.push(Box::pin(pass(StartAggregator { arch: Arch::Amd64, dry_run: false }, self.call())));
            passes.push(Box::pin(pass(DriveReleases::default(), self.call())));
        }
        join_all(passes)
    }

    fn call(&self) -> Call {
        let (_, interrupt) = Interrupt::channel();
        Call::new(self.clients.clone(), interrupt)
            .permitted(WritePermit::granted_by_user_interface(), Arc::new(NoConsent))
            .observed_by(Arc::new(self.notified.clone()))
    }
}

async fn pass<O: Operation>(operation: O, call: Call) -> Option<String> {
    match perform(operation, &call).await {
        Ok(answer) => {
            let name = O::ABOUT.command;
            let class = answer.class()?;
            Some(format!("{name}: {class:?}: {}", serde_json::to_string(&answer).unwrap()))
        }
        Err(error) => Some(format!("{}: {}", O::ABOUT.command, error.inner())),
    }
}

/// The memory of this process that is resident, in MiB.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string(PathBuf::from("/proc/self/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
