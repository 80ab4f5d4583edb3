//! `oarctl check-test-results`: one look for builds whose test results were rejected (spec 05 §5).

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::result_checker::{Notified, Standing, accepted_mark};
use crate::clients::github::{FolderFile, GithubFolder, Repository};
use crate::clients::slack::SlackClient;
use crate::error::{Classified as _, ErrorClass};
use crate::failures::Failures;
use crate::flow::outcome::{Refusal, TaskError};
use crate::notify::outbox::{Delivery, PreviousSend, deliver};
use crate::notify::{Message, Reference, TestResult};
use crate::operations::call::Call;
use crate::operations::part::Part;
use crate::operations::row::{About, Conclusion, Effect, Interruption, Operation, Program};
use crate::prow::names::ResultName;
use crate::service::Service;

/// How far back a message about a build is looked for whose name tells no time.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(14 * 24);

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
    /// How many rejected builds the first run reports; older ones count as reported
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
    /// The repository. Fails where every pass would: it is no repository.
    pub fn repository(&self) -> Result<Repository, TaskError> {
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
    .hints(&["A call is one pass; the command makes a pass every so often with --interval."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        call.permit_unless(self.dry_run)?;
        let folder = call.clients().folder(self.repository()?, &self.branch, &self.path)?;
        let tree = folder.list().await?.ok_or_else(|| {
            let words = format!("{} has no folder {} on {}", self.repo_name, self.path, self.branch);
            Refusal::new(ErrorClass::Configuration, words)
        })?;
        let (mut notified, bad) = Notified::read(self.notified.as_deref().unwrap_or_default());
        for line in bad {
            call.observer()
                .warn(&format!("line {line} of the file of notified builds is malformed and ignored"));
        }
        notified.prune(|file| tree.file(file).is_some());
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
            first: self.notified.is_none(),
            notified,
            answer: Answer { checked: files.len(), ..Answer::default() },
        };
        for (entry, file) in entries.iter().zip(files) {
            if call.interrupt().signal().is_some() {
                break;
            }
            match file {
                Ok(file) => pass.look(&file).await?,
                Err(error) => {
                    let words = format!("{}: {error}", entry.name);
                    pass.answer.problems.add_words(words, error.class().of_unknown(), error.hint());
                }
            }
        }
        pass.answer.notified = pass.notified.text();
        Ok(pass.answer)
    }
}

impl CheckTestResults {
    /// Whether a file is the test result of a build of a kind that is looked at.
    fn concerns(&self, name: &str) -> bool {
        name.parse::<ResultName>().is_ok_and(|name| self.include_stable || name.build.is_nightly())
    }
}

struct Pass<'a> {
    call: &'a Call,
    slack: SlackClient,
    folder: &'a GithubFolder,
    arguments: &'a CheckTestResults,
    /// Whether there was no file of notified builds.
    first: bool,
    notified: Notified,
    answer: Answer,
}

impl Pass<'_> {
    /// Looks at one file and tells of it. The error is one that every other message would meet as well.
    async fn look(&mut self, file: &FolderFile) -> Result<(), TaskError> {
        let name = &file.name;
        let standing = match Standing::of(&file.text) {
            Ok(standing) => standing,
            Err(error) => {
                let words = format!("{name}: {error}");
                self.answer.problems.add_words(words, ErrorClass::Unavailable, None);
                return Ok(());
            }
        };
        let told = self.notified.told_at(name);
        match (standing, self.notified.has(name)) {
            (Standing::Rejected, false) => {
                let limit = self.arguments.limit;
                let sent = self.answer.builds.iter().filter(|row| row.standing == "rejected").count();
                if self.first && sent >= limit {
                    self.record(name, name);
                    self.row(name, "rejected", Told::NotTold);
                    return Ok(());
                }
                self.tell(name, "rejected", name, None).await
            }
            (Standing::Accepted, true) => self.tell(name, "accepted", &accepted_mark(name), told).await,
            _ => Ok(()),
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
        let earlier = PreviousSend::PerhapsSince(since);
        let result =
            match deliver(&self.slack, self.call.clock(), &message, earlier, self.call.permit()?).await {
                Delivery::Sent(_) => Told::Sent,
                Delivery::AlreadySent(_) => Told::SentBefore,
                failed @ (Delivery::Pending(_) | Delivery::Unclear(_)) => {
                    let words = format!("{name}: {failed}");
                    self.answer.problems.add_words(words, ErrorClass::Unavailable, None);
                    self.row(name, standing, Told::Error);
                    return Ok(());
                }
            };
        self.record(name, entry);
        self.row(name, standing, result);
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
        let made = name.parse::<ResultName>().ok().and_then(|name| name.build.nightly_time());
        let now = self.call.clock().now();
        made.unwrap_or_else(|| now.saturating_sub(LOOKED_BACK).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Notes that `entry` was told, so that whoever keeps the file can write it now.
    fn record(&mut self, name: &str, entry: &str) {
        if self.arguments.dry_run {
            return;
        }
        let release = name.parse::<ResultName>().map(|name| name.build.y_stream().to_string());
        self.notified.add(&release.unwrap_or_default(), entry, self.call.clock().now());
        self.call.observer().part(Part::Notified(&self.notified));
    }

    fn row(&mut self, file: &str, standing: &'static str, result: Told) {
        self.answer.builds.push(BuildRow { file: file.to_owned(), standing, result });
    }
}
