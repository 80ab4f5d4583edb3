//! `oarctl check-test-results`: one look for builds whose test results were rejected (spec 05 §5).

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::result_checker::{Notified, Standing, accepted_mark};
use crate::clients::Clients;
use crate::clients::github::{FolderFile, GithubFolder, Repository};
use crate::clients::slack::{Lookup, SlackClient, Undetermined};
use crate::config::Credential;
use crate::error::{Classified as _, ErrorClass};
use crate::failures::Failures;
use crate::flow::outcome::{Refusal, TaskError};
use crate::notify::outbox::{Delivery, PreviousSend, deliver, look_for};
use crate::notify::{Message, Reference, TestResult};
use crate::operations::call::Call;
use crate::operations::part::Part;
use crate::operations::row::{About, Conclusion, Effect, Interruption, Operation, Program};
use crate::prow::names::ResultName;
use crate::service::Service;

/// How far back a message about a build is looked for whose name tells no time.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(14 * 24);
/// A channel has too many messages since then to look for an older one.
const TOLD_AT_MOST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Result files of nightlies are deleted after two weeks. Lines about older ones concern nobody.
const KEPT: SignedDuration = SignedDuration::from_hours(60 * 24);
/// How many numbers of malformed lines are named.
const NAMED_LINES: usize = 5;

/// The operation, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct CheckTestResults {
    /// The repository with the test result files: owner/name
    pub repo_name: String,
    /// The Slack channel that is told
    pub slack_channel: String,
    /// The text of the file of notified builds; without one, this is the first run
    #[serde(default)]
    pub notified: Option<String>,
    /// How many rejected builds a first run reports, the last by name; the others count as reported
    #[serde(default = "limit")]
    pub limit: usize,
    /// The folder of the test result files
    #[serde(default = "path")]
    pub path: String,
    /// The branch of the test result files
    #[serde(default = "branch")]
    pub branch: String,
    /// Look at stable builds as well
    #[serde(default)]
    pub include_stable: bool,
    /// Say what would be told, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

fn limit() -> usize {
    5
}

fn path() -> String {
    "_releases".to_owned()
}

fn branch() -> String {
    "record".to_owned()
}

impl CheckTestResults {
    /// Fails where every pass would: a credential is missing, or the repository, the channel or the branch is none.
    pub fn check(&self, clients: &Clients) -> Result<(), TaskError> {
        self.repository()?;
        self.check_names()?;
        let slack = (!self.dry_run).then_some(Credential::SlackBotToken);
        let needed = std::iter::once(Credential::GithubToken).chain(slack);
        Ok(clients.settings().credentials().require_all(needed)?)
    }

    fn check_names(&self) -> Result<(), Refusal> {
        let channel = self.slack_channel.trim_start_matches('#');
        if channel.is_empty()
            || channel.contains(|letter: char| letter.is_whitespace() || letter.is_control())
        {
            let words = format!("`{}` is no Slack channel", self.slack_channel.escape_debug());
            return Err(Refusal::new(ErrorClass::Usage, words)
                .with_hint("Name it as Slack shows it, for example #qe, or by its id (C…)."));
        }
        if self.branch.trim().is_empty() {
            return Err(Refusal::new(ErrorClass::Usage, "the branch of the test result files has no name")
                .with_hint("Name it, for example record."));
        }
        Ok(())
    }

    fn repository(&self) -> Result<Repository, TaskError> {
        self.repo_name.parse().map_err(|_| {
            let words = format!("`{}` is no repository", self.repo_name.escape_debug());
            Refusal::new(ErrorClass::Usage, words)
                .with_hint("Name its owner and its name, for example openshift/release-tests.")
                .into()
        })
    }
}

/// What was found and told.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Answer {
    /// How many test result files were looked at.
    pub checked: usize,
    /// The builds that somebody is told of, in the order of the files' names, the last first.
    pub builds: Vec<BuildRow>,
    /// What went wrong.
    pub problems: Failures,
    /// The new text of the file of notified builds.
    #[serde(skip)]
    pub notified: String,
    /// Whether a signal ended it before all files were looked at.
    #[serde(skip)]
    pub stopped: bool,
}

/// A build that somebody is told of.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BuildRow {
    /// Its test result file.
    pub file: String,
    /// What is told: `rejected`, or `accepted` of one that was told as rejected.
    pub standing: &'static str,
    /// What became of the message.
    pub result: Told,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It was sent.
    Sent,
    /// It stood in the channel already.
    SentBefore,
    /// It would be sent, unless it stands there.
    WouldSend,
    /// It is one of many of a first run, and counts as told.
    NotTold,
    /// It is accepted now, and the channel was never told that it was rejected.
    NeverTold,
    /// It could not be sent; the next run tries again.
    Error,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        self.problems.class()
    }
}

impl Operation for CheckTestResults {
    const ABOUT: About = About::task(
        "check-test-results",
        "Tell a channel of builds whose test results were rejected",
        Effect::Writes,
    )
    .named(Program::Oarctl)
    .interrupted(Interruption::BetweenItems)
    .hints(&["A call is one pass.", "The command makes a pass every so often with --interval."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        self.check(call.clients())?;
        call.permit_unless(self.dry_run)?;
        let folder = call.clients().folder(self.repository()?, &self.branch, &self.path)?;
        let tree = folder.list().await?.ok_or_else(|| {
            let words = format!("{} has no folder {} on {}", self.repo_name, self.path, self.branch);
            Refusal::new(ErrorClass::Configuration, words)
                .with_hint("Check --repo-name, --branch and --path.")
        })?;
        let mut notified = self.read_notified(call)?;
        let long_ago = before(call.clock().now(), KEPT);
        // Lines about another folder's builds stay: several checkers may share the file.
        notified
            .prune(|file| tree.file(file).is_some() || nightly_time(file).is_none_or(|made| made > long_ago));
        let mut entries: Vec<_> =
            tree.entries.into_iter().filter(|entry| self.concerns(&entry.name)).collect();
        entries.sort_by(|one, other| other.name.cmp(&one.name));
        // What both was told of cannot be told of again.
        entries.retain(|entry| !notified.has(&accepted_mark(&entry.name)));
        let files = folder.read(&entries).await;
        let mut pass = Pass {
            call,
            slack: call.clients().slack()?,
            folder: &folder,
            arguments: &self,
            notified,
            answer: Answer { checked: files.len(), ..Answer::default() },
        };
        let mut readable = Vec::new();
        for (entry, file) in entries.iter().zip(files) {
            match file {
                Ok(file) => readable.extend(pass.standing(file)),
                Err(error) if self.notified.is_none() => {
                    // What it leaves out would be told by the next run, without a limit.
                    let words =
                        format!("a first run needs every file, and {} cannot be read: {error}", entry.name);
                    let refusal = Refusal::new(error.class().of_unknown(), words);
                    return Err(match error.hint() {
                        Some(hint) => refusal.with_hint(hint),
                        None => refusal,
                    }
                    .into());
                }
                Err(error) => {
                    let words = format!("{}: {error}", entry.name);
                    pass.answer.problems.add_words(words, error.class().of_unknown(), error.hint());
                }
            }
        }
        pass.count_older_as_told(&mut readable);
        for (name, standing) in readable {
            if call.interrupt().signal().is_some() {
                pass.answer.stopped = true;
                break;
            }
            if let Err(error) = pass.look(&name, standing).await {
                pass.answer.problems.add(error.inner());
                break;
            }
        }
        pass.answer.notified = pass.notified.text();
        Ok(pass.answer)
    }
}

/// The time `before` a time.
fn before(now: Timestamp, before: SignedDuration) -> Timestamp {
    now.saturating_sub(before).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// When the nightly of a test result file was built, by the file's name.
fn nightly_time(file: &str) -> Option<Timestamp> {
    file.parse::<ResultName>().ok()?.build.nightly_time()
}

fn is_nightly(file: &str) -> bool {
    file.parse::<ResultName>().is_ok_and(|name| name.build.is_nightly())
}

impl CheckTestResults {
    /// Whether a file is the test result of a build of a kind that is looked at.
    fn concerns(&self, name: &str) -> bool {
        name.parse::<ResultName>().is_ok_and(|name| self.include_stable || name.build.is_nightly())
    }

    /// What was told. Malformed lines are left out, unless all are: then the file is another one, and must not be replaced.
    fn read_notified(&self, call: &Call) -> Result<Notified, TaskError> {
        let (notified, bad) = Notified::read(self.notified.as_deref().unwrap_or_default());
        if bad.is_empty() {
            return Ok(notified);
        }
        if notified.is_empty() {
            let words =
                "the file of notified builds has no line `release,file name,seconds`: it is another file";
            let hint = "Name the right one with --notified-file-path. The file was not changed.";
            return Err(Refusal::new(ErrorClass::Configuration, words).with_hint(hint).into());
        }
        let numbers: Vec<String> = bad.iter().take(NAMED_LINES).map(ToString::to_string).collect();
        let more = if bad.len() > NAMED_LINES { ", …" } else { "" };
        call.observer().warn(&format!(
            "malformed lines of the file of notified builds are dropped: {} ({}{more})",
            bad.len(),
            numbers.join(", ")
        ));
        Ok(notified)
    }
}

struct Pass<'a> {
    call: &'a Call,
    slack: SlackClient,
    folder: &'a GithubFolder,
    arguments: &'a CheckTestResults,
    notified: Notified,
    answer: Answer,
}

impl Pass<'_> {
    /// How the build of a file stands. A file that says nothing of it is a problem.
    fn standing(&mut self, file: FolderFile) -> Option<(String, Standing)> {
        match Standing::of(&file.text) {
            Ok(standing) => Some((file.name, standing)),
            Err(error) => {
                let words = format!("{}: {error}", file.name);
                let CheckTestResults { repo_name, path, branch, .. } = self.arguments;
                let hint = format!("Correct {path}/{} on {branch} of {repo_name}.", file.name);
                self.answer.problems.add_words(words, ErrorClass::Unavailable, Some(hint));
                None
            }
        }
    }

    /// A first run tells of no more than the limit: nothing was told before, or nothing of stable builds. What it leaves out is
    /// recorded before its first message, so that the next run is no first one, whatever ends this one.
    fn count_older_as_told(&mut self, files: &mut Vec<(String, Standing)>) {
        let first = self.arguments.notified.is_none();
        let first_of_stable = first || self.notified.files().all(is_nightly);
        let mut rejected = 0;
        let mut older = Vec::new();
        files.retain(|(name, standing)| {
            let limited = if is_nightly(name) { first } else { first_of_stable };
            if !limited || *standing != Standing::Rejected || self.notified.has(name) {
                return true;
            }
            rejected += 1;
            let told = rejected <= self.arguments.limit;
            if !told {
                older.push(name.clone());
            }
            told
        });
        for name in &older {
            self.add(name, name);
            self.row(name, "rejected", Told::NotTold);
        }
        if first || !older.is_empty() {
            self.keep();
        }
    }

    /// Tells of one build. The error is one that every other message would meet as well.
    async fn look(&mut self, name: &str, standing: Standing) -> Result<(), TaskError> {
        let told = self.notified.told_at(name);
        match (standing, self.notified.has(name)) {
            (Standing::Rejected, false) => self.tell(name, "rejected", name, None).await,
            (Standing::Accepted, true) => {
                let mark = accepted_mark(name);
                match self.was_told_of_rejection(name, told).await {
                    Ok(true) => self.tell(name, "accepted", &mark, told).await,
                    Ok(false) => {
                        self.record(name, &mark);
                        self.row(name, "accepted", Told::NeverTold);
                        Ok(())
                    }
                    Err(reason) => self.cannot_look(name, "accepted", &reason),
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether the channel was told that a build was rejected. One of a first run may only count as told; and another channel
    /// may have been told.
    async fn was_told_of_rejection(&self, name: &str, told: Option<Timestamp>) -> Result<bool, Undetermined> {
        if self.arguments.dry_run {
            return Ok(true);
        }
        let since = self.earliest(name);
        if told.unwrap_or(since) < before(self.call.clock().now(), TOLD_AT_MOST) {
            return Ok(false);
        }
        match look_for(&self.slack, &self.message(name, "rejected"), told.unwrap_or(since).min(since)).await {
            Lookup::Found(_) => Ok(true),
            Lookup::NotFound => Ok(false),
            Lookup::Undetermined(reason) => Err(reason),
        }
    }

    async fn tell(
        &mut self,
        name: &str,
        standing: &'static str,
        entry: &str,
        since: Option<Timestamp>,
    ) -> Result<(), TaskError> {
        if self.arguments.dry_run {
            self.row(name, standing, Told::WouldSend);
            return Ok(());
        }
        let message = self.message(name, standing);
        // A run that was killed after its message has not recorded it: the channel knows.
        let since = since.unwrap_or_else(|| self.earliest(name));
        let result = match look_for(&self.slack, &message, since).await {
            Lookup::Found(_) => Told::SentBefore,
            Lookup::Undetermined(reason) => return self.cannot_look(name, standing, &reason),
            Lookup::NotFound => {
                let (clock, permit) = (self.call.clock(), self.call.permit()?);
                match deliver(&self.slack, clock, &message, PreviousSend::NotSent, permit).await {
                    Delivery::Sent(_) => Told::Sent,
                    Delivery::AlreadySent(_) => Told::SentBefore,
                    failed @ (Delivery::Pending(_) | Delivery::Unclear(_)) => {
                        let hint =
                            "The next pass looks for it in the channel, and sends it if it is not there.";
                        let words = format!("{name}: {failed}");
                        let hint = Some(hint.to_owned());
                        self.answer.problems.add_words(words, ErrorClass::Unavailable, hint);
                        self.row(name, standing, Told::Error);
                        return Ok(());
                    }
                }
            }
        };
        self.record(name, entry);
        self.row(name, standing, result);
        Ok(())
    }

    /// Nobody is told of a build while it is unknown what the channel was told before. The error is one that every other
    /// build would meet as well.
    fn cannot_look(
        &mut self,
        name: &str,
        standing: &'static str,
        reason: &Undetermined,
    ) -> Result<(), TaskError> {
        self.row(name, standing, Told::Error);
        let channel = &self.arguments.slack_channel;
        let words = format!("{name}: not told: what {channel} was told before cannot be read: {reason}");
        if reason.class() == ErrorClass::Configuration {
            let refusal = Refusal::new(ErrorClass::Configuration, words);
            return Err(match reason.hint() {
                Some(hint) => refusal.with_hint(hint),
                None => refusal,
            }
            .into());
        }
        self.answer.problems.add_words(words, reason.class(), reason.hint());
        Ok(())
    }

    fn message(&self, name: &str, standing: &'static str) -> Message {
        let web = self.call.settings().endpoints().base(Service::GithubWeb);
        let file = Reference::new(self.folder.page(web, name), name);
        let short = name.trim_start_matches("ocp-test-result-").trim_end_matches(".json");
        let result = TestResult { file: &file, name: short };
        let channel = &self.arguments.slack_channel;
        if standing == "accepted" { result.accepted(channel) } else { result.rejected(channel) }
    }

    /// When a message about a build can have been sent at the earliest.
    fn earliest(&self, name: &str) -> Timestamp {
        nightly_time(name).unwrap_or_else(|| before(self.call.clock().now(), LOOKED_BACK))
    }

    /// Notes that `entry` was told, so that whoever keeps the file can write it now.
    fn record(&mut self, name: &str, entry: &str) {
        self.add(name, entry);
        self.keep();
    }

    fn add(&mut self, name: &str, entry: &str) {
        let release = name.parse::<ResultName>().map(|name| name.build.y_stream().to_string());
        self.notified.add(&release.unwrap_or_default(), entry, self.call.clock().now());
    }

    fn keep(&self) {
        if !self.arguments.dry_run {
            self.call.observer().part(Part::Notified(&self.notified));
        }
    }

    fn row(&mut self, file: &str, standing: &'static str, result: Told) {
        self.answer.builds.push(BuildRow { file: file.to_owned(), standing, result });
    }
}
