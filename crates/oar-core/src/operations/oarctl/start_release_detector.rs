//! `oarctl start-release-detector`: one look for announced releases that nobody has begun (spec 05 §2).

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::future::join;
use futures::stream::iter;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::detector::{Announced, Comparison, ReleaseFiles, out_without_statebox};
use crate::clients::Clients;
use crate::clients::release_controller::{Phase, StreamName};
use crate::config::{Credential, SlackTeam, StateLocation};
use crate::error::{Classified, ErrorClass, ServiceErrorKind};
use crate::failures::Failures;
use crate::flow::outcome::{Refusal, TaskError};
use crate::notify::outbox::{Delivery, PreviousSend, deliver, group_mention};
use crate::notify::{AnnouncementMissing, Message, ReleaseNotBegun};
use crate::operations::call::Call;
use crate::operations::create_test_report::CreateTestReport;
use crate::operations::row::{About, Conclusion, Effect, Interruption, Operation, Program};
use crate::operations::task_run::Change;
use crate::statebox::{Notification, NotificationState, RunOutcome, TaskName};
use crate::tasks::{ReleaseContext, open_statebox, releases_with_state};
use crate::version::{Arch, ReleaseVersion, YStream};

/// The folder with the files of all y-streams.
const RELEASES: &str = "_releases";
/// How many ignored keys of a tracking file are named.
const NAMED_KEYS: usize = 5;
/// How many release controllers' answers are waited for at a time.
const LOOKS: usize = 6;
/// How old the image of an accepted release may be before somebody is told that it was not begun.
const OUT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// A release whose image is older was left alone for a reason. Nor can a message that was sent earlier be found.
const OUT_FOR_AT_MOST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The operation, with its arguments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StartReleaseDetector {
    /// The y-streams to look at
    pub minor_release: Vec<YStream>,
    /// Look at every supported y-stream
    pub all: bool,
    /// Say what would be done, and do nothing
    pub dry_run: bool,
}

impl StartReleaseDetector {
    /// The y-streams to look at, each once. Fails where every pass would: none or an unsupported one is named, or GitHub's
    /// token is missing.
    pub fn check(&self, clients: &Clients) -> Result<Vec<YStream>, TaskError> {
        let versions = clients.settings().versions();
        let streams: BTreeSet<YStream> = match (self.all, self.minor_release.as_slice()) {
            (true, []) => versions.streams().iter().copied().collect(),
            (false, [_, ..]) => self.minor_release.iter().copied().collect(),
            (true, _) => return Err(usage("either y-streams or all of them are looked at, not both")),
            (false, []) => return Err(usage("no y-stream was named")),
        };
        for stream in &streams {
            versions.check_stream(*stream)?;
        }
        clients.settings().credentials().require(Credential::GithubToken)?;
        Ok(streams.into_iter().collect())
    }
}

fn usage(words: &str) -> TaskError {
    let hint = "Name one with -r, for example -r 4.19, or all supported ones with --all.";
    Refusal::new(ErrorClass::Usage, words).with_hint(hint).into()
}

fn hinted(refusal: Refusal, hint: Option<String>) -> Refusal {
    match hint {
        Some(hint) => refusal.with_hint(hint),
        None => refusal,
    }
}

/// What was found and done for each y-stream.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Answer {
    /// In the order of the versions.
    pub streams: Vec<StreamReport>,
}

/// What was found and done for one y-stream.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StreamReport {
    /// The y-stream.
    pub stream: YStream,
    /// Its newest announced release.
    pub announced: Option<ReleaseVersion>,
    /// Its newest accepted stable build.
    pub stable: Option<ReleaseVersion>,
    /// How the two stand.
    pub verdict: Verdict,
    /// The releases that are announced, newer than the stable build, and had no StateBox.
    pub releases: Vec<ReleaseResult>,
    /// What somebody has to look at.
    pub warnings: Vec<Warning>,
    /// What went wrong.
    pub problems: Failures,
}

/// How the announced releases of a y-stream stand to its newest stable build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No release is announced.
    NothingAnnounced,
    /// The release controller shows no stable build.
    NoStableBuild,
    /// Every release that is announced has its StateBox, or is out.
    NothingNew,
    /// Releases are announced that nobody had begun.
    New,
    /// The newest stable build was not announced.
    Behind,
    /// It could not be found out.
    Unknown,
}

/// What became of one release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseResult {
    /// The release.
    pub release: ReleaseVersion,
    /// What became of its StateBox.
    pub result: Made,
    /// Where it is, or why there is none.
    pub detail: Option<String>,
}

/// What became of the StateBox of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// It was created.
    Created,
    /// It would be created.
    WouldCreate,
    /// It was there, and messages that an earlier run owed were sent.
    MessagesSent,
    /// Somebody else has created it meanwhile, or the release has a worksheet.
    NothingToDo,
    /// It could not be created.
    Error,
}

/// What somebody has to look at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Warning {
    /// What it is.
    pub text: String,
    /// Whether the release channel was told: `told`, `told before`, `would be told, unless it was before`, or why it was not.
    pub told: String,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        let mut all = Failures::default();
        self.streams.iter().for_each(|report| all.append(&report.problems));
        all.class()
    }
}

impl Operation for StartReleaseDetector {
    const ABOUT: About = About::task(
        "start-release-detector",
        "Create the StateBox of every announced release that has none",
        Effect::Writes,
    )
    .named(Program::Oarctl)
    .interrupted(Interruption::BetweenItems)
    .hints(&[
        "A call is one pass.",
        "The command makes a pass every so often with --interval.",
        "What a pass leaves undone, the next one does.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let streams = self.check(call.clients())?;
        call.permit_unless(self.dry_run)?;
        let (files, builds) = join(Files::read(call.clients(), &streams), builds(call, &streams)).await;
        let files = files?;
        let mut passes = Vec::new();
        for (stream, build) in streams.into_iter().zip(builds) {
            if call.interrupt().signal().is_some() {
                break;
            }
            let mut pass = StreamPass { call, dry_run: self.dry_run, report: StreamReport::new(stream) };
            if let Err(error) = pass.begin(&files, build).await {
                pass.report.verdict = Verdict::Unknown;
                pass.report.problems.add(error.inner());
            }
            passes.push(pass);
        }
        // Only now: this asks for changelogs, which the release controller may take minutes for, and no StateBox waits for that.
        for pass in &mut passes {
            if call.interrupt().signal().is_some() {
                break;
            }
            pass.tell_people(&files).await;
        }
        Ok(Answer { streams: passes.into_iter().map(|pass| pass.report).collect() })
    }
}

type StableBuild = Result<Option<ReleaseVersion>, TaskError>;

/// The newest accepted stable build of each y-stream.
async fn builds(call: &Call, streams: &[YStream]) -> Vec<StableBuild> {
    let look = |stream: YStream| async move {
        let controller = call.clients().release_controller(Arch::Amd64)?;
        let latest = controller.latest(&StreamName::stable(stream.major(), Arch::Amd64), stream).await?;
        Ok(latest.and_then(|build| build.tag.version()))
    };
    iter(streams.iter().copied().map(look)).buffered(LOOKS).collect().await
}

/// What is known of all y-streams from their files.
struct Files {
    /// The releases that are announced; a y-stream without a tracking file has none.
    announced: BTreeMap<YStream, Result<Announced, Refusal>>,
    with_statebox: BTreeSet<ReleaseVersion>,
}

impl Files {
    /// Reads them: one request for the names of all files, and one for each tracking file that was not read before.
    async fn read(clients: &Clients, streams: &[YStream]) -> Result<Self, TaskError> {
        let state = clients.settings().state();
        let folder = clients.folder(state.repository.clone(), &state.branch, RELEASES)?;
        let listed = folder.list_below().await?.ok_or_else(|| {
            let words = format!(
                "{} has no folder {RELEASES} on {}, so no announced release is known",
                state.repository, state.branch
            );
            Refusal::new(ErrorClass::Configuration, words)
                .with_hint("Check OAR_STATE_REPO and OAR_STATE_BRANCH.")
        })?;
        let mut files = ReleaseFiles::of(listed);
        if let StateLocation::Local(_) = state.location {
            files.with_statebox.clear();
            for stream in streams {
                files.with_statebox.extend(releases_with_state(clients, *stream).await?);
            }
        }
        files.tracking.retain(|stream, _| streams.contains(stream));
        let entries: Vec<_> = files.tracking.values().cloned().collect();
        let texts = folder.read(&entries).await;
        let announced = files.tracking.into_iter().zip(texts).map(|((stream, entry), text)| {
            let refused = |why: String, class, hint| {
                let words = format!("the announced releases of {stream} are not known: {why}");
                Err(hinted(Refusal::new(class, words), hint))
            };
            let announced = match text {
                Ok(file) => Announced::read(&file.text, stream).or_else(|error| {
                    let page = folder.path(&entry.name);
                    let hint = format!("Correct {page} on {} of {}.", state.branch, state.repository);
                    refused(format!("{page} cannot be read: {error}"), ErrorClass::Unavailable, Some(hint))
                }),
                Err(error) => refused(error.to_string(), error.class().of_unknown(), error.hint()),
            };
            (stream, announced)
        });
        Ok(Self { announced: announced.collect(), with_statebox: files.with_statebox })
    }
}

impl StreamReport {
    fn new(stream: YStream) -> Self {
        Self {
            stream,
            announced: None,
            stable: None,
            verdict: Verdict::Unknown,
            releases: Vec::new(),
            warnings: Vec::new(),
            problems: Failures::default(),
        }
    }
}

/// One y-stream is looked at.
struct StreamPass<'a> {
    call: &'a Call,
    dry_run: bool,
    report: StreamReport,
}

impl StreamPass<'_> {
    /// Makes what is missing.
    async fn begin(&mut self, files: &Files, stable: StableBuild) -> Result<(), TaskError> {
        let stream = self.report.stream;
        let none = Announced::default();
        let announced = files.announced.get(&stream).map(Result::as_ref).transpose();
        let announced = announced.map_err(Clone::clone)?.unwrap_or(&none);
        self.warn_of_ignored(announced.ignored());
        self.report.announced = announced.newest().cloned();
        if self.report.announced.is_none() {
            self.report.verdict = Verdict::NothingAnnounced;
            return Ok(());
        }
        let Some(stable) = stable? else {
            self.report.verdict = Verdict::NoStableBuild;
            return Ok(());
        };
        self.report.stable = Some(stable.clone());
        let newer = announced.newer_than(&stable).filter(|release| files.with_statebox.contains(*release));
        let begun: Vec<ReleaseVersion> = newer.cloned().collect();
        for release in begun {
            match self.is_half_begun(&release).await {
                Ok(true) if self.dry_run => self.report.releases.push(ReleaseResult {
                    release,
                    result: Made::WouldCreate,
                    detail: Some("send the messages that an earlier run owes".to_owned()),
                }),
                Ok(true) => self.create(release).await,
                Ok(false) => {}
                Err(error) => self.report.problems.add(error.inner()),
            }
        }
        match Comparison::of(announced, &stable, &files.with_statebox) {
            Comparison::NothingAnnounced => self.report.verdict = Verdict::NothingAnnounced,
            Comparison::Equal => self.report.verdict = Verdict::NothingNew,
            Comparison::Newer { missing } if missing.is_empty() => self.report.verdict = Verdict::NothingNew,
            Comparison::Newer { missing } => {
                self.report.verdict = Verdict::New;
                for release in missing {
                    self.create(release).await;
                }
            }
            Comparison::Behind { .. } => self.report.verdict = Verdict::Behind,
        }
        Ok(())
    }

    /// Warns of keys that announce nothing: one may be a release with a typing error.
    fn warn_of_ignored(&self, keys: &[String]) {
        if keys.is_empty() {
            return;
        }
        let stream = self.report.stream;
        let named: Vec<&str> = keys.iter().take(NAMED_KEYS).map(String::as_str).collect();
        let more = if keys.len() > NAMED_KEYS { ", …" } else { "" };
        self.call.observer().warn(&format!(
            "{stream}: keys of {RELEASES}/{stream}/{stream}.z.yaml that are no release of {stream} are ignored: {}{more}",
            named.join(", ")
        ));
    }

    /// Tells people what they have to look at.
    async fn tell_people(&mut self, files: &Files) {
        let Some(Ok(announced)) = files.announced.get(&self.report.stream) else { return };
        let (Some(newest), Some(stable)) = (self.report.announced.clone(), self.report.stable.clone()) else {
            return;
        };
        if self.report.verdict == Verdict::Behind {
            self.announcement_missing(&newest, &stable).await;
        }
        for release in out_without_statebox(announced, &stable, &files.with_statebox) {
            if let Err(error) = self.not_begun(&release).await {
                self.report.problems.add(error.inner());
            }
        }
    }

    /// Fails where worksheets of this y-stream's releases exist and cannot be looked for: without an answer nobody knows whether
    /// a release was begun.
    fn can_see_worksheets(&self) -> Result<(), TaskError> {
        let settings = self.call.settings();
        if settings.document()?.report_template(self.report.stream)?.is_some() {
            settings.credentials().require(Credential::GoogleServiceAccountFile)?;
        }
        Ok(())
    }

    /// Whether a run of ours that made the StateBox of a release has not told everybody, because it was killed for example.
    async fn is_half_begun(&self, release: &ReleaseVersion) -> Result<bool, TaskError> {
        let state = open_statebox(self.call.clients(), release)?.find().await?;
        let task = state.as_ref().and_then(|state| state.task(TaskName::CreateTestReport));
        let last = task.as_ref().and_then(|task| task.history.last());
        Ok(last.is_some_and(|run| {
            let told = |message: &Notification| message.state == NotificationState::Sent;
            run.outcome != Some(RunOutcome::Pass) || !run.notifications.iter().all(told)
        }))
    }

    /// Creates the StateBox of a release as `oar create-test-report` does.
    async fn create(&mut self, release: ReleaseVersion) {
        if self.call.interrupt().signal().is_some() {
            return;
        }
        let (result, detail) = match self.create_test_report(&release).await {
            Ok(found) => found,
            Err(error) => {
                let error = error.inner();
                let words = format!("{release}: {error}");
                self.report.problems.add_words(words, error.class(), error.hint());
                (Made::Error, Some(error.to_string()))
            }
        };
        self.report.releases.push(ReleaseResult { release, result, detail });
    }

    async fn create_test_report(
        &self,
        release: &ReleaseVersion,
    ) -> Result<(Made, Option<String>), TaskError> {
        self.can_see_worksheets()?;
        let change = Change { dry_run: self.dry_run, ..Change::default() };
        let create = CreateTestReport { change, ..Default::default() };
        let call = self.call.part_about(release)?;
        let report = Box::pin(crate::operations::perform(create, &call)).await?;
        if let Some(held) = &report.held {
            return Ok((Made::NothingToDo, Some(format!("{} is creating it", held.by))));
        }
        if let Some(class) = report.class {
            let reason = report.reason.map_or_else(|| "it failed".to_owned(), |reason| reason.text);
            return Err(hinted(Refusal::new(class, reason), report.hint).into());
        }
        for warning in &report.warnings {
            self.call.observer().warn(&format!("{release}: {warning}"));
        }
        if report.dry_run {
            let made = if report.plan.steps.is_empty() { Made::NothingToDo } else { Made::WouldCreate };
            let steps = report.plan.steps.iter().map(ToString::to_string);
            let detail = steps.chain(report.plan.notes.iter().cloned()).next();
            return Ok((made, detail));
        }
        let (created, place) = match report.data {
            Some(done) => (done.created, done.statebox.or(done.worksheet)),
            None => (false, None),
        };
        let mut messages = report.notifications.iter().chain(&report.earlier_notifications);
        let made = if created {
            Made::Created
        } else if messages.any(|message| message.state == NotificationState::Sent) {
            Made::MessagesSent
        } else {
            Made::NothingToDo
        };
        // A run that finds the StateBox as it should be comes to no outcome.
        let place = match place {
            Some(place) => place,
            None => open_statebox(self.call.clients(), release)?.location(),
        };
        Ok((made, Some(place)))
    }

    /// ART is asked for the announcement of a stable build that has none.
    async fn announcement_missing(&mut self, announced: &ReleaseVersion, stable: &ReleaseVersion) {
        let text = format!(
            "the newest announced release is {announced}, and {stable} is accepted: an announcement is missing"
        );
        let told = async {
            let since = if self.dry_run {
                self.call.clock().now()
            } else {
                // Nobody can have been told before the build was there.
                let controller = self.call.clients().release_controller(Arch::Amd64)?;
                controller.stable_release(stable).await?.created.unwrap_or_else(|| self.long_ago())
            };
            if since <= self.long_ago() {
                return Ok("not told, because its image is older than 30 days or of unknown age".to_owned());
            }
            let document = self.call.settings().document()?;
            let slack = self.call.clients().slack()?;
            let leads = group_mention(&slack, document.release_leads(self.report.stream)?).await;
            let art = group_mention(&slack, document.art_group()?).await;
            let message = AnnouncementMissing {
                stream: self.report.stream,
                announced,
                stable,
                leads: &leads,
                art: &art,
            };
            let message = message.message(document.slack_channel(SlackTeam::QeRelease)?);
            self.tell(&message, since).await
        }
        .await;
        self.warn(text, told);
    }

    /// People are told of a release that is out and that nobody has begun.
    async fn not_begun(&mut self, release: &ReleaseVersion) -> Result<(), TaskError> {
        let controller = self.call.clients().release_controller(Arch::Amd64)?;
        let stands = match controller.stable_release(release).await {
            // It was taken out of its stream, so it is not out.
            Err(error) if error.kind == ServiceErrorKind::NotFound => return Ok(()),
            stands => stands?,
        };
        let Some(created) = stands.created.filter(|_| stands.phase == Phase::Accepted) else { return Ok(()) };
        let out_for = self.call.clock().now().duration_since(created);
        if !(OUT_FOR..OUT_FOR_AT_MOST).contains(&out_for) {
            return Ok(());
        }
        self.can_see_worksheets()?;
        let context = ReleaseContext::open(self.call.clients().clone(), release).await?;
        let context = context.in_thread(self.call.thread().cloned());
        if let Some(worksheet) = context.worksheet()?
            && worksheet.find().await?.is_some()
        {
            return Ok(());
        }
        let text = format!(
            "{release} is announced and accepted, its image is more than a day old, and it has no StateBox"
        );
        let told = async {
            let document = self.call.settings().document()?;
            let leads = group_mention(context.slack(), document.release_leads(self.report.stream)?).await;
            let message = ReleaseNotBegun { release, leads: &leads };
            let message = message.message(document.slack_channel(SlackTeam::QeRelease)?);
            self.tell(&message, created).await
        }
        .await;
        self.warn(text, told);
        Ok(())
    }

    /// The earliest time from which messages are looked through when nothing says better.
    fn long_ago(&self) -> Timestamp {
        self.call.clock().now().saturating_sub(OUT_FOR_AT_MOST).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Sends `message`, unless it stands in its channel since `since` or later: whoever sent it then, on whichever machine.
    async fn tell(&self, message: &Message, since: Timestamp) -> Result<String, TaskError> {
        if self.dry_run {
            return Ok("would be told, unless it was before".to_owned());
        }
        let slack = self.call.clients().slack()?;
        let earlier = PreviousSend::PerhapsSince(since);
        match deliver(&slack, self.call.clock(), message, earlier, self.call.permit()?).await {
            Delivery::Sent(_) => Ok("told".to_owned()),
            Delivery::AlreadySent(_) => Ok("told before".to_owned()),
            failed @ (Delivery::Pending(_) | Delivery::Unclear(_)) => {
                let words = format!("the release channel: {failed}");
                Err(Refusal::new(ErrorClass::Unavailable, words).into())
            }
        }
    }

    fn warn(&mut self, text: String, told: Result<String, TaskError>) {
        let told = told.unwrap_or_else(|error| {
            let error = error.inner();
            self.report.problems.add(error);
            error.to_string()
        });
        self.report.warnings.push(Warning { text, told });
    }
}
