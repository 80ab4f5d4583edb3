//! Releases that ART announces, builds that are rejected and accepted, and what the agents make of them.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::Harness;
use end_to_end::matrix::sample::Numbers;
use jiff::{SignedDuration, Timestamp};
use sandbox::scenario::github::{RECORD_BRANCH, STATE_BRANCH};
use sandbox::services::github::{BUILD_DATA_REPOSITORY, STATE_REPOSITORY};
use sandbox::services::release_controller::Phase;
use sandbox::services::slack::state::Message;

/// The y-streams that are looked at: one of each flow.
pub(crate) const STREAMS: [&str; 2] = ["4.19", "4.14"];
/// The release of each that is announced and accepted from the start.
const NEWEST: [u64; 2] = [1, 60];
/// How the commit that makes a StateBox begins.
const MADE: &str = "Initialize StateBox for release ";
/// The folder with the results of builds that the result checker looks at.
pub(crate) const RESULTS: &str = "_results";

/// A rejected build: whether it is accepted by now, and what the channel has to be told.
#[derive(Debug, Default)]
struct Build {
    accepted: bool,
    told: bool,
    told_accepted: bool,
}

#[derive(Debug)]
struct Release {
    announced: Timestamp,
    accepted: bool,
}

/// Everything that was announced and rejected so far.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    announced: BTreeMap<String, Release>,
    builds: BTreeMap<String, Build>,
    /// Prow jobs by the key of their intent.
    jobs: BTreeMap<String, String>,
    /// The first lines of the commits that made something, with their names: the sandbox forgets old ones.
    commits: BTreeSet<(String, String)>,
}

impl Releases {
    /// What was released before has been out for so long that nobody is told that it has no StateBox.
    pub(crate) fn start(harness: &Harness, now: Timestamp) -> Self {
        let mut controller = harness.sandbox.world().release_controller.lock();
        for payload in controller.streams.get_mut("4-stable").unwrap() {
            payload.created = now - SignedDuration::from_hours(40 * 24);
        }
        drop(controller);
        // Nothing drains while time stands still.
        harness.sandbox.world().prow.lock().limit.burst = 1000.0;
        put_result(harness, "ocp-test-result-4.21.0-0.nightly-2026-06-01-010000-amd64.json", true, now);
        Self::default()
    }

    /// Ten minutes of what ART and others do.
    pub(crate) fn live(&mut self, harness: &Harness, now: Timestamp, numbers: &mut Numbers) {
        for (stream, newest) in STREAMS.into_iter().zip(NEWEST) {
            let announced = self.announced.keys().filter(|name| name.starts_with(stream)).count();
            if numbers.below(100) == 0 {
                let before = newest + u64::try_from(announced).unwrap();
                for number in 0..=numbers.below(2) {
                    self.announce(harness, stream, (newest, before + number + 1), now);
                }
            }
        }
        let next = self.announced.iter_mut().find(|(_, release)| !release.accepted);
        let old = |release: &Release| now.duration_since(release.announced) > SignedDuration::from_hours(2);
        if let Some((name, release)) = next.filter(|(_, release)| old(release))
            && numbers.below(60) == 0
        {
            release.accepted = true;
            let mut controller = harness.sandbox.world().release_controller.lock();
            controller.add("4-stable", name, Phase::Accepted);
            controller.payload_mut("4-stable", name).unwrap().created = now;
        }
        if numbers.below(30) == 0 {
            let name =
                format!("ocp-test-result-4.21.0-0.nightly-{}-amd64.json", now.strftime("%Y-%m-%d-%H%M%S"));
            put_result(harness, &name, false, now);
            self.builds.insert(name, Build::default());
        }
        let rejected = self.builds.iter_mut().find(|(_, build)| !build.accepted);
        if let Some((name, build)) = rejected
            && numbers.below(60) == 0
        {
            put_result(harness, name, true, now);
            build.accepted = true;
        }
    }

    fn announce(&mut self, harness: &Harness, stream: &str, (like, number): (u64, u64), now: Timestamp) {
        let release = format!("{stream}.{number}");
        let mut github = harness.sandbox.world().github.lock();
        let branch = format!("openshift-{stream}");
        let text = github.text(BUILD_DATA_REPOSITORY, &branch, "releases.yml").unwrap();
        let (before, rest) = text.split_once(&format!("  {stream}.{like}:\n")).unwrap();
        let entry: String = rest.split_inclusive('\n').take_while(|line| line.starts_with("   ")).collect();
        let text = format!("{before}  {release}:\n{entry}  {stream}.{like}:\n{rest}");
        github.put(BUILD_DATA_REPOSITORY, &branch, "releases.yml", text, "Update releases.yml", now).unwrap();
        let path = format!("_releases/{stream}/{stream}.z.yaml");
        let text = github.text(STATE_REPOSITORY, STATE_BRANCH, &path).unwrap();
        let text =
            format!("{text}  {release}:\n    advisories: {{rpm: 1, rhcos: 2}}\n    release_jira: ART-1\n");
        github.put(STATE_REPOSITORY, STATE_BRANCH, &path, text, "Announce releases", now).unwrap();
        self.announced.insert(release, Release { announced: now, accepted: false });
    }

    /// What is true after every pass, also after one that ended in the middle: nothing is there twice.
    pub(crate) fn nothing_twice(&mut self, harness: &Harness) {
        let mut messages = BTreeMap::<(String, String), usize>::new();
        // What stands in the bot's channel is looked at by itself.
        let slack = harness.sandbox.world().slack.lock();
        for message in slack.messages.iter().filter(|message| !is_of_a_conversation(message)) {
            let key = key(message);
            // Summaries of two mornings may have the same words.
            let is_of_drive = key.is_some_and(|key| key.contains("/drive/"));
            let text = (!is_of_drive).then_some(message.text.as_str());
            for what in key.into_iter().chain(text) {
                *messages.entry((message.channel.clone(), what.to_owned())).or_default() += 1;
            }
        }
        drop(slack);
        for (message, count) in messages {
            assert_eq!(count, 1, "{message:?}");
        }
        for job in harness.prow_jobs() {
            let Some(key) = job.annotations.get("release-tests.openshift.io/intent") else { continue };
            let first = self.jobs.entry(key.clone()).or_insert_with(|| job.id.clone());
            assert_eq!(*first, job.id, "{} was started twice for one intent", job.job);
        }
    }

    /// What is true after whole passes: every announced release has its StateBox.
    pub(crate) fn all_begun(&self, harness: &Harness) {
        for (release, Release { announced, .. }) in &self.announced {
            let now = harness.sandbox.clock().now();
            assert!(
                harness.statebox(release).is_some(),
                "{release} was announced at {announced} and has no StateBox at {now}"
            );
        }
    }

    /// What is true after whole passes of every hour: each rejected build was told, and its acceptance if it was.
    pub(crate) fn all_told(&mut self, harness: &Harness) {
        let slack = harness.sandbox.world().slack.lock();
        let told = |name: &str, words: &str| {
            slack.messages.iter().any(|message| message.text.contains(name) && message.text.contains(words))
        };
        for (name, build) in &mut self.builds {
            if build.accepted {
                build.told_accepted |= build.told;
            } else {
                build.told = true;
            }
            assert_eq!(told(name, "Rejected build detected"), build.told, "{name}: {build:?}");
            assert_eq!(told(name, "accepted now"), build.told_accepted, "{name}: {build:?}");
        }
    }

    /// Keeps the commits that made a StateBox, before the sandbox forgets them.
    pub(crate) fn note_commits(&mut self, harness: &Harness) {
        for commit in harness.sandbox.world().github.lock().commits(STATE_REPOSITORY, STATE_BRANCH) {
            let title = commit.message.lines().next().unwrap_or_default();
            if title.starts_with(MADE) {
                self.commits.insert((commit.sha.clone(), title.to_owned()));
            }
        }
    }

    /// What is true at the end: each release's StateBox was made once, and its channel was told of it once.
    pub(crate) fn finish(&mut self, harness: &Harness) -> String {
        self.note_commits(harness);
        let slack = harness.sandbox.world().slack.lock();
        for release in self.announced.keys() {
            let title = format!("{MADE}{release}");
            let made = self.commits.iter().filter(|(_, made)| *made == title).count();
            assert_eq!(made, 1, "{title}");
            let file = format!("/{release}.yaml");
            let told = slack.messages.iter().filter(|message| message.text.contains(&file)).count();
            assert_eq!(told, 1, "{release}: {:#?}", slack.messages);
        }
        let accepted = self.builds.values().filter(|build| build.told_accepted).count();
        let asked = slack.messages.iter().filter_map(key).filter(|key| key.contains("/drive/")).count();
        assert!(self.announced.is_empty() || asked > 0, "the engine asked nobody about an announced release");
        format!(
            "{} releases with {asked} messages of the engine, {} rejected builds of which {accepted} were accepted, {} Prow jobs, \
             {} messages",
            self.announced.len(),
            self.builds.len(),
            self.jobs.len(),
            slack.messages.len()
        )
    }
}

/// Whether somebody said it to the Slack bot, or the bot in answer.
fn is_of_a_conversation(message: &Message) -> bool {
    message.bot_id.is_none() || key(message).is_some_and(|key| key.starts_with("slack-"))
}

/// What a message is about, where a program has said so.
fn key(message: &Message) -> Option<&str> {
    message.metadata.as_ref()?["event_payload"]["key"].as_str()
}

fn put_result(harness: &Harness, name: &str, accepted: bool, now: Timestamp) {
    let path = format!("{RESULTS}/{name}");
    let text = format!(r#"{{"accepted": {accepted}, "aggregated": true, "result": ["{name}"]}}"#);
    let mut github = harness.sandbox.world().github.lock();
    github.put(STATE_REPOSITORY, RECORD_BRANCH, &path, text, "another result", now).unwrap();
}
