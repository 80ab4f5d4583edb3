//! What another program's save removed, seen and put back.
//!
//! The Python reference writes tasks as it read them, and after a conflict the whole file (spec 01 §2.7, §2.8): a run that
//! we recorded meanwhile goes, a job, a wait or a claim goes or comes back. So every write of ours leaves, beside the
//! tasks, how they stand then: the *ledger*, a top-level key, which a merge of the reference keeps. A copy of the file on
//! this machine ([`super::copy`]) holds what a whole file's overwrite takes with the ledger. Whoever reads the file next
//! compares, and sees the state as it should be; the next write puts it back.
//!
//! A result is too long for the ledger, which has its fingerprint alone: the text comes from the copy, or from an earlier
//! version of the file where the store keeps them ([`super::store::Store::earlier`]), so that another machine than the
//! writer's has it, too.
//!
//! Of a status that somebody else set, only that is recorded: theirs counts.

use std::fmt;

use super::consents::{CONSENT_LIMIT, CONSENTS, MARKS, consents_mut};
use super::names::{ReasonClass, RunOutcome, TaskName, TaskStatus};
use super::runs::{HISTORY_LIMIT, RunEnd, RunStart};
use super::state::State;
use super::yaml::{self, Mapping, Node};
use crate::clock::stamp;
use crate::store::Revision;

const LEDGER: &str = "ledger";
/// The fields of a task that no program but ours writes.
const OURS: [&str; 5] = ["claim", "job", "judged", "wait", "waiver"];
/// The fields that every program writes.
const SHARED: [&str; 3] = ["status", "started_at", "completed_at"];
/// The fingerprint of a result's text.
const FINGERPRINT: &str = "result_sha";
/// How much of the text's SHA-1 it is, in characters.
const FINGERPRINT_LENGTH: usize = 16;
/// What the ledger keeps of the last run.
const OF_RUN: [&str; 8] = ["id", "started", "finished", "by", "command", "outcome", "class", "drops"];
/// How the id of a run begins that another program left no other trace of.
const OTHER_RUN: &str = "other-";
/// Who ran it, as the history says.
pub const ANOTHER_PROGRAM: &str = "another program, or by hand";

/// Something that another program's save changed of what we had recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// A run was no longer in the history.
    Run {
        /// The task.
        task: TaskName,
        /// Who ran it.
        by: String,
        /// When it started.
        started: String,
        /// How it ended.
        outcome: String,
    },
    /// The status was reset to an earlier one.
    Status {
        /// The task.
        task: TaskName,
        /// The status that was recorded.
        status: String,
    },
    /// The result that the task had is nowhere to be found; everything else of the run is restored.
    Result {
        /// The task.
        task: TaskName,
    },
    /// A field of this program was removed or reset.
    Field {
        /// The task.
        task: TaskName,
        /// The field: `wait`, `job`, `claim`, `waiver`, `consents`.
        field: &'static str,
    },
    /// Somebody else gave the task another status; it counts.
    OtherStatus {
        /// The task.
        task: TaskName,
        /// The status that was recorded.
        from: String,
        /// The status that it has now.
        to: String,
    },
    /// A run was interrupted, and its end could not be recorded then.
    End {
        /// The task.
        task: TaskName,
        /// Who ran it.
        by: String,
        /// When it ended.
        finished: String,
    },
    /// The line by which the Python tooling finds its job was missing from the result.
    Marker {
        /// The task.
        task: TaskName,
    },
    /// An issue was removed.
    Issue {
        /// Its text.
        text: String,
    },
    /// A decision was removed, or counted again.
    Decision {
        /// What it is, in words.
        text: String,
    },
    /// What people had been told was removed.
    Told,
    /// A resolved issue was open again. It stays open until a person checks it.
    Resolution {
        /// Its text.
        text: String,
        /// How it had been resolved.
        resolution: String,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { task, by, started, outcome } => write!(
                formatter,
                "another program had written over the run of {task} by {by} of {started} ({outcome}): restored"
            ),
            Self::Status { task, status } => {
                write!(formatter, "another program had set {task} back; it is {status} again")
            }
            Self::Result { task } => {
                write!(
                    formatter,
                    "the log of {task} that another program had written over cannot be found again"
                )
            }
            Self::Field { task, field } => {
                write!(formatter, "another program had written over the {field} of {task}: restored")
            }
            Self::OtherStatus { task, from, to } => {
                write!(formatter, "{task} was set from {from} to {to} by {ANOTHER_PROGRAM}")
            }
            Self::End { task, by, finished } => write!(
                formatter,
                "the run of {task} by {by} was interrupted at {finished}, when it could not be recorded: recorded now"
            ),
            Self::Marker { task } => write!(
                formatter,
                "the line that names the job of {task} was missing from its result: added again for the Python tooling"
            ),
            Self::Issue { text } => {
                write!(formatter, "another program had written over an issue: restored: {text}")
            }
            Self::Decision { text } => {
                write!(formatter, "another program had written over a decision: restored: {text}")
            }
            Self::Told => {
                write!(formatter, "another program had written over what people were told: restored")
            }
            Self::Resolution { text, resolution } => write!(
                formatter,
                "another program had written over how an issue was resolved ({resolution}); it is open again, resolve it \
                 if that still holds: {text}"
            ),
        }
    }
}

impl State {
    /// What another program's save had changed when the file was read. The state is as it should be already.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Records the state of the tasks, for the next reader of the file.
    pub(super) fn write_ledger(&mut self) {
        let mut ledger = Mapping::new();
        for entry in self.entries("tasks") {
            let has_record = history(entry).next().is_some() || consents(entry).next().is_some();
            let Some(name) = entry.text("name").filter(|_| has_record) else { continue };
            ledger.set(name, Node::mapping(noted(entry)));
        }
        if ledger.is_empty() {
            self.root.remove(LEDGER);
        } else {
            self.root.set(LEDGER, Node::mapping(ledger));
        }
    }

    /// Compares the tasks with the ledger, and with `copy`, the file as this machine wrote it last, and restores what
    /// another program wrote over. `earlier` is a version of the file that may have results which are in neither.
    pub(super) fn recover(&mut self, copy: Option<&Self>, earlier: Option<&Self>) {
        let same = |other: &&Self| other.created_at() == self.created_at();
        let (copy, earlier) = (copy.filter(same), earlier.filter(same));
        let mut losses = Vec::new();
        for task in TaskName::ALL {
            // Its record goes when everybody was told, so its absence says nothing.
            if task == TaskName::CreateTestReport {
                continue;
            }
            let own = copy.and_then(|copy| copy.entry(task)).cloned();
            let ledger = self.root.get(LEDGER).and_then(Node::as_mapping);
            let noted_here = ledger.and_then(|ledger| ledger.get(task.id())?.as_mapping()).cloned();
            let now = self.entry(task).cloned();
            let known = newest(noted_here.clone(), own.as_ref().map(noted), now.as_ref());
            if known.is_none() && own.is_none() {
                continue;
            }
            let mut found = Vec::new();
            let mut entry = now.unwrap_or_else(|| empty(task));
            let had_last = known
                .as_ref()
                .and_then(|known| known.get("run")?.as_mapping()?.text("id").map(str::to_owned))
                .is_some_and(|id| history(&entry).any(|run| run.text("id") == Some(id.as_str())));
            restore_runs(&mut entry, task, own.as_ref(), known.as_ref(), &mut found);
            restore_consents(&mut entry, task, [noted_here.as_ref(), own.as_ref()], &mut found);
            // Without a run only its consents are noted.
            if let Some(known) = known.as_ref().filter(|known| known.get("run").is_some()) {
                let went_back = restore_fields(&mut entry, task, known, had_last, &mut found);
                let before = [own.as_ref(), earlier.and_then(|earlier| earlier.entry(task))];
                if went_back && !restore_result(&mut entry, known, before) {
                    found.push(Loss::Result { task });
                }
            }
            if !found.is_empty() {
                restore_marker(&mut entry, task, &mut found);
                self.put_entry(task, entry);
                losses.extend(found);
            }
        }
        if let Some(copy) = copy {
            self.recover_issues(copy, &mut losses);
            losses.extend(self.recover_decisions(copy).into_iter().map(|text| Loss::Decision { text }));
            // It is written without any task's change, so it can be the only loss.
            if self.recover_asked(copy).is_changed() {
                losses.push(Loss::Told);
            }
        }
        self.losses = losses;
    }

    /// Puts issues back that this machine wrote and that are gone: no program deletes one. An issue that was reworded
    /// keeps the moment of its report, and one that was reported anew its text.
    fn recover_issues(&mut self, copy: &Self, losses: &mut Vec<Loss>) {
        let text = |issue: &Mapping| issue.text("issue").map(|text| text.trim().to_lowercase());
        let is_resolved = |issue: &Mapping| issue.get("resolved").and_then(Node::as_bool) == Some(true);
        let now: Vec<Mapping> = self.entries("issues").cloned().collect();
        let known: Vec<Option<String>> = copy.entries("issues").map(text).collect();
        let mut lost = Vec::new();
        for issue in copy.entries("issues") {
            let shown = issue.text("issue").unwrap_or_default().to_owned();
            let same_text = |other: &&Mapping| text(other) == text(issue);
            let same_time = |other: &&Mapping| other.text("reported_at") == issue.text("reported_at");
            match now.iter().find(|other| same_text(other) && same_time(other)) {
                Some(other) if is_resolved(issue) && !is_resolved(other) => {
                    let resolution = issue.text("resolution").unwrap_or("resolved").to_owned();
                    losses.push(Loss::Resolution { text: shown, resolution });
                }
                Some(_) => {}
                None if now.iter().any(|other| {
                    // Another issue of the same second is no rewording.
                    let reworded = || {
                        same_time(&other)
                            && !known.contains(&text(other))
                            && is_alike(text(issue).as_deref(), text(other).as_deref())
                    };
                    same_text(&other) || reworded()
                }) => {}
                None => {
                    lost.push(Node::mapping(issue.clone()));
                    losses.push(Loss::Issue { text: shown });
                }
            }
        }
        if let (Some(issues), false) = (self.list_mut("issues"), lost.is_empty()) {
            issues.extend(lost);
        }
    }

    /// Records the interrupted ends that this machine kept, unless the file holds them by now.
    pub(super) fn recover_ends(&mut self, ends: &[UnrecordedEnd]) {
        for end in ends {
            if !end.is_recorded(self) {
                let run = &end.end.run;
                let ended = self.finish_run(end.task, &end.end);
                let _ = ended.or(self.release_task(end.task, &run.id, None));
                self.losses.push(Loss::End {
                    task: end.task,
                    by: run.by.clone(),
                    finished: stamp(end.end.finished),
                });
            }
        }
    }

    /// Whether this version of the file has every result that `other` lacks.
    pub(super) fn has_results_for(&self, other: &Self) -> bool {
        other.losses.iter().all(|loss| {
            let Loss::Result { task } = loss else { return true };
            let noted = other.root.get(LEDGER).and_then(Node::as_mapping);
            let noted = noted.and_then(|ledger| ledger.get(task.id())?.as_mapping()?.text(FINGERPRINT));
            noted.is_some() && self.entry(*task).and_then(fingerprint).as_deref() == noted
        })
    }

    fn entry(&self, task: TaskName) -> Option<&Mapping> {
        self.entries("tasks").find(|entry| entry.text("name") == Some(task.id()))
    }

    fn put_entry(&mut self, task: TaskName, entry: Mapping) {
        let Some(tasks) = self.list_mut("tasks") else { return };
        let is_it =
            |node: &&mut Node| node.as_mapping().and_then(|fields| fields.text("name")) == Some(task.id());
        match tasks.iter_mut().find(is_it) {
            Some(node) => *node = Node::mapping(entry),
            None => tasks.push(Node::mapping(entry)),
        }
    }
}

/// The end of an interrupted run, kept on this machine until it can be recorded.
#[derive(Debug, Clone)]
pub(super) struct UnrecordedEnd {
    task: TaskName,
    end: RunEnd,
}

impl UnrecordedEnd {
    pub(super) fn new(task: TaskName, end: &RunEnd) -> Self {
        let end = RunEnd { outcome: RunOutcome::Interrupted, status: None, result: None, ..end.clone() };
        Self { task, end }
    }

    /// Whether `state` knows that the run ended.
    pub(super) fn is_recorded(&self, state: &State) -> bool {
        let Some(entry) = state.entry(self.task) else { return false };
        let run = history(entry).find(|run| run.text("id") == Some(self.end.run.id.as_str()));
        run.is_some_and(|run| run.text("finished").is_some())
    }

    pub(super) fn to_text(&self) -> String {
        let RunEnd { run, finished, reason, done, .. } = &self.end;
        yaml::emit(&Node::mapping(Mapping::from([
            ("task", Node::text(self.task.id())),
            ("id", Node::text(&run.id)),
            ("started", Node::text(stamp(run.started))),
            ("finished", Node::text(stamp(*finished))),
            ("by", Node::text(&run.by)),
            ("command", Node::text(&run.command)),
            ("reason", Node::optional(reason.as_ref())),
            ("done", Node::sequence(done.iter().map(Node::text).collect())),
        ])))
    }

    /// What [`UnrecordedEnd::to_text`] wrote; `None` for anything else.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let document = yaml::parse(text).ok()?;
        let fields = document.root.as_mapping()?;
        let owned = |key: &str| fields.text(key).map(str::to_owned);
        let run = RunStart {
            id: owned("id")?,
            started: fields.text("started")?.parse().ok()?,
            by: owned("by")?,
            command: owned("command")?,
            force: false,
        };
        Some(Self {
            task: fields.text("task")?.parse().ok()?,
            end: RunEnd {
                run,
                finished: fields.text("finished")?.parse().ok()?,
                outcome: RunOutcome::Interrupted,
                status: None,
                class: Some(ReasonClass::Interrupted),
                reason: owned("reason"),
                result: None,
                notifications: Vec::new(),
                links: Vec::new(),
                done: fields
                    .get("done")
                    .and_then(Node::as_sequence)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Node::as_text)
                    .map(str::to_owned)
                    .collect(),
            },
        })
    }
}

/// Whether a text may be a new wording of another. Times of issues are whole seconds, so they alone do not say so.
fn is_alike(one: Option<&str>, other: Option<&str>) -> bool {
    let begin = |text: Option<&str>| text.unwrap_or_default().chars().take(500).collect::<String>();
    strsim::normalized_levenshtein(&begin(one), &begin(other)) >= 0.5
}

fn history(entry: &Mapping) -> impl DoubleEndedIterator<Item = &Mapping> {
    entry.get("history").and_then(Node::as_sequence).unwrap_or_default().iter().filter_map(Node::as_mapping)
}

fn consents(entry: &Mapping) -> impl Iterator<Item = &Mapping> {
    entry.get(CONSENTS).and_then(Node::as_sequence).unwrap_or_default().iter().filter_map(Node::as_mapping)
}

fn empty(task: TaskName) -> Mapping {
    Mapping::from([
        ("name", Node::text(task.id())),
        ("status", Node::text(TaskStatus::NotStarted.text())),
        ("started_at", Node::null()),
        ("completed_at", Node::null()),
        ("result", Node::null()),
    ])
}

/// What the ledger says of a task. Of one without runs that is only who consented.
fn noted(entry: &Mapping) -> Mapping {
    let mut noted = Mapping::new();
    if let Some(value) = entry.get(CONSENTS).filter(|_| consents(entry).next().is_some()) {
        noted.set(CONSENTS, value.clone());
    }
    if history(entry).next().is_none() {
        return noted;
    }
    for key in SHARED.into_iter().chain(OURS) {
        if let Some(value) = entry.get(key) {
            noted.set(key, value.clone());
        }
    }
    if let Some(fingerprint) = fingerprint(entry) {
        noted.set(FINGERPRINT, Node::text(fingerprint));
    }
    if let Some(last) = history(entry).next_back() {
        let mut run = Mapping::new();
        for key in OF_RUN {
            if let Some(value) = last.get(key) {
                run.set(key, value.clone());
            }
        }
        noted.set("run", Node::mapping(run));
    }
    noted
}

fn fingerprint(entry: &Mapping) -> Option<String> {
    let result = entry.text("result").filter(|result| !result.is_empty())?;
    Some(Revision::of(result).as_str().chars().take(FINGERPRINT_LENGTH).collect())
}

/// Puts back the result that was noted; whether it is there now.
fn restore_result(entry: &mut Mapping, known: &Mapping, before: [Option<&Mapping>; 2]) -> bool {
    let Some(noted) = known.text(FINGERPRINT) else { return true };
    if fingerprint(entry).as_deref() == Some(noted) {
        return true;
    }
    let was = before.into_iter().flatten().find(|before| fingerprint(before).as_deref() == Some(noted));
    let Some(result) = was.and_then(|was| was.get("result")) else { return false };
    entry.set("result", result.clone());
    true
}

/// When the last recorded run started.
fn began(noted: &Mapping) -> Option<&str> {
    noted.get("run")?.as_mapping()?.text("started")
}

/// The note that counts: that of this machine only when it knows a later run than both ledger and history.
fn newest(ledger: Option<Mapping>, own: Option<Mapping>, now: Option<&Mapping>) -> Option<Mapping> {
    let last = now.and_then(|now| history(now).next_back()).and_then(|run| run.text("started"));
    match (ledger, own) {
        (Some(ledger), Some(own)) if began(&own) > began(&ledger).max(last) => Some(own),
        (Some(ledger), _) => Some(ledger),
        (None, Some(own)) => (began(&own) > last).then_some(own),
        (None, None) => None,
    }
}

fn restore_runs(
    entry: &mut Mapping,
    task: TaskName,
    own: Option<&Mapping>,
    known: Option<&Mapping>,
    found: &mut Vec<Loss>,
) {
    if history(entry).count() >= HISTORY_LIMIT {
        // What is missing may have made room.
        return;
    }
    let last = known.and_then(|known| known.get("run")?.as_mapping()).cloned();
    let runs: Vec<Mapping> = own.into_iter().flat_map(history).cloned().chain(last).collect();
    for run in runs {
        let is_there = history(entry).any(|known| known.text("id") == run.text("id"));
        if is_there || run.text("id").is_none() {
            continue;
        }
        let text = |key: &str| run.text(key).unwrap_or("unknown").to_owned();
        found.push(Loss::Run {
            task,
            by: text("by"),
            started: text("started"),
            outcome: run.text("outcome").unwrap_or("unfinished").to_owned(),
        });
        if entry.get("history").and_then(Node::as_sequence).is_none() {
            entry.set("history", Node::sequence(Vec::new()));
        }
        if let Some(runs) = entry.get_mut("history").and_then(Node::as_sequence_mut) {
            let later = |other: &Node| {
                other.as_mapping().and_then(|other| other.text("started")) > run.text("started")
            };
            let place = runs.iter().position(later).unwrap_or(runs.len());
            runs.insert(place, Node::mapping(run));
        }
    }
}

/// Puts back consents that are gone, and that one was used or withdrawn: nothing makes it valid again.
fn restore_consents(
    entry: &mut Mapping,
    task: TaskName,
    sources: [Option<&Mapping>; 2],
    found: &mut Vec<Loss>,
) {
    let mut is_changed = false;
    for known in sources.into_iter().flatten().flat_map(consents) {
        let Some(id) = known.text("id") else { continue };
        if let Some(now) = consents_mut(entry).find(|now| now.text("id") == Some(id)) {
            for mark in MARKS.into_iter().filter(|mark| known.get(mark).is_some()) {
                if now.get(mark).is_none_or(Node::is_null) {
                    now.set(mark, known.get(mark).cloned().unwrap_or_else(Node::null));
                    is_changed = true;
                }
            }
        } else if consents(entry).count() < CONSENT_LIMIT {
            // What is missing in a full list may have made room.
            if entry.get(CONSENTS).and_then(Node::as_sequence).is_none() {
                entry.set(CONSENTS, Node::sequence(Vec::new()));
            }
            if let Some(list) = entry.get_mut(CONSENTS).and_then(Node::as_sequence_mut) {
                list.push(Node::mapping(known.clone()));
                is_changed = true;
            }
        }
    }
    if is_changed {
        found.push(Loss::Field { task, field: CONSENTS });
    }
}

/// Whether the task was reset to its state before the recorded run.
fn restore_fields(
    entry: &mut Mapping,
    task: TaskName,
    known: &Mapping,
    had_last: bool,
    found: &mut Vec<Loss>,
) -> bool {
    let run = known.get("run").and_then(Node::as_mapping);
    let last = history(entry).next_back().and_then(|run| run.text("id"));
    if had_last && last != run.and_then(|run| run.text("id")) {
        // An older version of these programs, which keeps no ledger, has written since.
        return false;
    }
    for field in OURS {
        if entry.get(field) == known.get(field) {
            continue;
        }
        match known.get(field) {
            Some(value) => entry.set(field, value.clone()),
            None => {
                entry.remove(field);
            }
        }
        found.push(Loss::Field { task, field });
    }
    let (Some(is), Some(was)) = (entry.text("status"), known.text("status")) else { return false };
    let (is, was) = (is.to_owned(), was.to_owned());
    let decided =
        |entry: &Mapping| entry.text("completed_at").max(entry.text("started_at")).map(str::to_owned);
    let ended = run.and_then(|run| run.text("finished").or_else(|| run.text("started"))).map(str::to_owned);
    let went_back = !had_last && decided(entry) <= ended && is != TaskStatus::Pass.text();
    if went_back {
        let same = SHARED.iter().all(|key| entry.get(key) == known.get(key));
        if !same {
            for key in SHARED {
                entry.set(key, known.get(key).cloned().unwrap_or_else(Node::null));
            }
            found.push(Loss::Status { task, status: was });
        }
        return true;
    }
    if is == was {
        return false;
    }
    let at = decided(entry).unwrap_or_else(|| "unknown".to_owned());
    let id = format!("{OTHER_RUN}{at}");
    let Some(status) = TaskStatus::from_file(&is) else { return false };
    if !history(entry).any(|run| run.text("id") == Some(id.as_str())) {
        let run = Mapping::from([
            ("id", Node::text(id)),
            ("started", Node::text(&at)),
            ("finished", Node::text(&at)),
            ("by", Node::text(ANOTHER_PROGRAM)),
            ("command", Node::text("unknown")),
            ("outcome", Node::text(RunOutcome::from(status).text())),
        ]);
        if entry.get("history").and_then(Node::as_sequence).is_none() {
            entry.set("history", Node::sequence(Vec::new()));
        }
        if let Some(runs) = entry.get_mut("history").and_then(Node::as_sequence_mut) {
            runs.push(Node::mapping(run));
        }
    }
    found.push(Loss::OtherStatus { task, from: was, to: is });
    false
}

/// The Python reference knows a job only by a line in the result.
fn restore_marker(entry: &mut Mapping, task: TaskName, found: &mut Vec<Loss>) {
    let Some(line) = entry.get("job").and_then(Node::as_mapping).and_then(|job| marker(task, job)) else {
        return;
    };
    let result = entry.text("result").unwrap_or_default().to_owned();
    if entry.text("status") != Some(TaskStatus::InProgress.text()) || result.contains(&line) {
        return;
    }
    let text = if result.is_empty() { line } else { format!("{}\n{line}", result.trim_end()) };
    entry.set("result", Node::text(text));
    found.push(Loss::Marker { task });
}

/// The line that names a job for the Python reference (`interop-exact`, spec 05 §8.5).
fn marker(task: TaskName, job: &Mapping) -> Option<String> {
    let id = job.text("id")?;
    match task {
        TaskName::ImageConsistencyCheck => Some(format!("{} {id}", super::jobs::CONSISTENCY_TRIGGERED)),
        TaskName::StageTesting => Some(format!("{} <{}>", super::jobs::STAGE_TRIGGERED, job.text("url")?)),
        _ => None,
    }
}
