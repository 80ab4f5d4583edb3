//! Recording what was done: runs of a task, their outbox, statuses set by hand and waivers.

use jiff::{SignedDuration, Timestamp};

use super::error::StateError;
use super::names::{ReasonClass, RunOutcome, TaskName, TaskStatus};
use super::state::{State, changed};
use super::views::{Notification, NotificationState, RunView, Waiver};
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

/// The command of a status set by hand in the history.
pub const SET_BY_HAND: &str = "task set";

/// For how long a status that is set to the same again for the same reason is the same act.
const REPEATED_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// The key of the task's state before an open run.
const BEFORE: &str = "before";

/// The longest result that is stored, in bytes. What is cut from a longer one is its middle.
pub const RESULT_LIMIT: usize = 16 * 1024;

/// How many runs a task's history keeps. When more come, the oldest routine look at a waiting task goes first, then
/// the oldest run.
pub const HISTORY_LIMIT: usize = 500;

/// How many effects of a run that was ended are kept, and how long each may be, in characters.
const DONE_LIMIT: usize = 50;
const DONE_LENGTH: usize = 300;

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStart {
    /// An id that no other run has.
    pub id: String,
    /// When it started.
    pub started: Timestamp,
    /// Who runs it; an account's name rather than an address, which would be masked.
    pub by: String,
    /// With which command.
    pub command: String,
    /// Whether a passed task may lose its Pass.
    pub force: bool,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The run, as it was started.
    pub run: RunStart,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The task's status from now on; `None` leaves the status as it is.
    pub status: Option<TaskStatus>,
    /// Why it did not pass.
    pub class: Option<ReasonClass>,
    /// Why it did not pass, in words.
    pub reason: Option<String>,
    /// What to store as the task's result; `None` keeps the stored one.
    pub result: Option<String>,
    /// What is to be said to people, or was said already.
    pub notifications: Vec<Notification>,
    /// Where to look for more.
    pub links: Vec<String>,
    /// What it had done when something ended it before its own end.
    pub done: Vec<String>,
}

/// A status that a person sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualStatus {
    /// An id that no other run has.
    pub id: String,
    /// When it is set.
    pub at: Timestamp,
    /// Who sets it.
    pub by: String,
    /// The status.
    pub status: TaskStatus,
    /// Why.
    pub reason: String,
    /// What is stored as the task's result in place of the present one.
    pub result: Option<String>,
    /// Whether a passed task may lose its Pass.
    pub force: bool,
}

impl State {
    /// Records the start of a run of `task`: an open history entry, status In Progress, no completion time.
    ///
    /// A task that is In Progress already keeps its start time, so its age counts from the first run. A passed task
    /// keeps status and times unless the run may `force`. Earlier entries that are still open are closed as
    /// interrupted: their end was lost. Recording the same id again changes nothing.
    pub fn start_run(&mut self, task: TaskName, run: &RunStart) -> Change {
        let entry = Mapping::from([
            ("id", Node::text(&run.id)),
            ("started", Node::text(stamp(run.started))),
            ("finished", Node::null()),
            ("by", Node::text(self.mask(&run.by))),
            ("command", Node::text(self.mask(&run.command))),
            ("outcome", Node::null()),
        ]);
        self.change_task(task, |fields| {
            if find_run(fields, &run.id).is_some() {
                return;
            }
            let began = stamp(run.started);
            for open in runs_mut(fields) {
                let is_later = open.text("started").is_some_and(|started| started > began.as_str());
                if open.get("finished").is_none_or(Node::is_null)
                    && open.text("outcome").is_none()
                    && !is_later
                {
                    open.set("outcome", Node::text(RunOutcome::Interrupted.text()));
                    open.set("class", Node::text(ReasonClass::Interrupted.text()));
                    open.remove(BEFORE);
                }
            }
            let mut entry = entry;
            let begins = status(fields) != TaskStatus::Pass || run.force;
            if begins && status(fields) != TaskStatus::InProgress {
                entry.set(BEFORE, Node::mapping(standing(fields)));
            }
            append_run(fields, entry);
            if begins {
                begin(fields, run.started);
            }
        })
    }

    /// Records that a run of `task` ended: completes its history entry (or adds it, when the start was not recorded)
    /// and sets the task's status, times and result.
    ///
    /// The task itself is left alone when a later run has taken over, when a Pass would be lost without `force`, and
    /// when a passed task passes again without a new result. A run that ended without a verdict
    /// ([`RunOutcome::Unknown`], or interrupted) leaves the task as it was before the run. Recording the same end again changes nothing.
    pub fn finish_run(&mut self, task: TaskName, end: &RunEnd) -> Change {
        let started = self.start_run(task, &end.run);
        let reason = end.reason.as_ref().map(|reason| self.mask(reason));
        let result = end.result.as_ref().map(|result| bounded(&self.mask(result)));
        let links: Vec<Node> = end.links.iter().map(|link| Node::text(self.mask(link))).collect();
        let done: Vec<Node> = shortened(&end.done, |step| self.mask(step)).map(Node::text).collect();
        let notifications: Vec<Mapping> =
            end.notifications.iter().map(|notification| self.outbox_entry(notification)).collect();
        let finished = self.change_task(task, |fields| {
            let Some((index, entry)) = find_run(fields, &end.run.id) else { return };
            if entry.text("finished").is_some() {
                return;
            }
            entry.set("finished", Node::text(stamp(end.finished)));
            entry.set("outcome", Node::text(end.outcome.text()));
            let before = entry.remove(BEFORE);
            entry.remove("class");
            if let Some(class) = end.class {
                entry.set("class", Node::text(class.text()));
            }
            if let Some(reason) = reason {
                entry.set("reason", Node::text(reason));
            }
            if !links.is_empty() {
                entry.set("links", Node::sequence(links));
            }
            if !done.is_empty() {
                entry.set("done", Node::sequence(done));
            }
            merge_outbox(entry, notifications);
            if !is_current(fields, index) {
                return;
            }
            if matches!(end.outcome, RunOutcome::Unknown | RunOutcome::Interrupted) {
                take_back(fields, before.as_ref().and_then(Node::as_mapping), result);
            } else {
                conclude(fields, end, result);
            }
        });
        started.or(finished)
    }

    /// Sets a task's status by hand, with a history entry that says who and why.
    ///
    /// Repeating the last entry at once changes nothing; later it says the same of what has changed since. A passed task is set
    /// to another status only with `force`.
    pub fn set_task(&mut self, task: TaskName, manual: &ManualStatus) -> Result<Change, StateError> {
        let by = self.mask(&manual.by);
        let reason = self.mask(manual.reason.trim());
        let result = manual.result.as_deref().map(|result| bounded(&self.mask(result)));
        let result = result.filter(|result| !result.is_empty());
        let outcome = RunOutcome::from(manual.status);
        if let Some(view) = self.task(task) {
            let repeated = view.last_run().is_some_and(|last| {
                last.command.as_deref() == Some(SET_BY_HAND)
                    && last.outcome == Some(outcome)
                    && last.reason.as_deref().unwrap_or_default() == reason
                    && view.status == manual.status
                    && result.as_ref().is_none_or(|result| view.result.as_ref() == Some(result))
                    && last
                        .finished
                        .as_ref()
                        .and_then(|end| end.parse::<Timestamp>().ok())
                        .is_none_or(|end| manual.at.duration_since(end) < REPEATED_WITHIN)
            });
            if repeated || view.history.iter().any(|run| run.id == manual.id) {
                return Ok(Change::Unchanged);
            }
            if view.status == TaskStatus::Pass && manual.status != TaskStatus::Pass && !manual.force {
                return Err(StateError::Downgrade { task, to: manual.status });
            }
        }
        let at = stamp(manual.at);
        let mut entry = Mapping::from([
            ("id", Node::text(&manual.id)),
            ("started", Node::text(&at)),
            ("finished", Node::text(&at)),
            ("by", Node::text(by)),
            ("command", Node::text(SET_BY_HAND)),
            ("outcome", Node::text(outcome.text())),
        ]);
        if !reason.is_empty() {
            entry.set("reason", Node::text(reason));
        }
        Ok(self.change_task(task, |fields| {
            append_run(fields, entry);
            match manual.status {
                TaskStatus::InProgress => begin(fields, manual.at),
                // Who confirms a verdict judges again, so it is about what is there now.
                TaskStatus::Pass | TaskStatus::Fail => decide(fields, manual.status, manual.at, manual.at),
                TaskStatus::NotStarted => fields.set("status", Node::text(TaskStatus::NotStarted.text())),
            }
            if let Some(result) = result {
                fields.set("result", Node::text(result));
            }
        }))
    }

    /// Records how far notifications of a run got. What has arrived stays so.
    pub fn record_notifications(
        &mut self,
        task: TaskName,
        run: &str,
        notifications: &[Notification],
    ) -> Result<Change, StateError> {
        let unknown = || StateError::UnknownRun { task, run: run.to_owned() };
        let known = self.task(task).is_some_and(|view| view.history.iter().any(|entry| entry.id == run));
        if !known {
            return Err(unknown());
        }
        let entries: Vec<Mapping> =
            notifications.iter().map(|notification| self.outbox_entry(notification)).collect();
        Ok(self.change_task(task, |fields| {
            if let Some((_, entry)) = find_run(fields, run) {
                merge_outbox(entry, entries);
            }
        }))
    }

    /// Removes the record of `task`, which is not a task of the release's workflow, when each of its runs has
    /// ended and sent its messages.
    pub fn remove_finished_record(&mut self, task: TaskName) -> Change {
        let told = |run: &RunView| {
            run.outcome.is_some()
                && run.notifications.iter().all(|message| message.state == NotificationState::Sent)
        };
        if !self.task(task).is_some_and(|view| view.history.iter().all(told)) {
            return Change::Unchanged;
        }
        let Some(tasks) = self.list_mut("tasks") else { return Change::Unchanged };
        tasks.retain(|node| node.as_mapping().and_then(|fields| fields.text("name")) != Some(task.id()));
        Change::Changed
    }

    /// Records why a task need not pass, or takes that back.
    pub fn set_waiver(&mut self, task: TaskName, waiver: Option<&Waiver>) -> Change {
        let record = waiver.map(|waiver| {
            self.record([
                ("by", Some(&waiver.by)),
                ("reason", Some(&waiver.reason)),
                ("scope", waiver.scope.as_ref()),
                ("at", Some(&waiver.at)),
                ("expires", waiver.expires.as_ref()),
            ])
        });
        self.change_task(task, |fields| set_record(fields, "waiver", record))
    }

    /// Changes one task's fields; the task is added when the file does not have it.
    pub(super) fn change_task(&mut self, task: TaskName, change: impl FnOnce(&mut Mapping)) -> Change {
        let Some(tasks) = self.list_mut("tasks") else { return Change::Unchanged };
        let is_it = |node: &Node| node.as_mapping().and_then(|fields| fields.text("name")) == Some(task.id());
        if !tasks.iter().any(is_it) {
            tasks.push(Node::mapping(Mapping::from([
                ("name", Node::text(task.id())),
                ("status", Node::text(TaskStatus::NotStarted.text())),
                ("started_at", Node::null()),
                ("completed_at", Node::null()),
                ("result", Node::null()),
            ])));
            if let Some(added) = tasks.last_mut().and_then(Node::as_mapping_mut) {
                change(added);
            }
            return Change::Changed;
        }
        let Some(fields) = tasks.iter_mut().find(|node| is_it(node)).and_then(Node::as_mapping_mut) else {
            return Change::Unchanged;
        };
        let before = fields.clone();
        change(fields);
        changed(before != *fields)
    }

    fn outbox_entry(&self, notification: &Notification) -> Mapping {
        let state = notification.state.text().to_owned();
        self.record([
            ("key", Some(&notification.key)),
            ("state", Some(&state)),
            ("channel", Some(&notification.channel)),
            ("ts", notification.ts.as_ref()),
            ("at", Some(&notification.at)),
            ("thread", notification.thread.as_ref()),
            ("text", notification.text.as_ref().filter(|_| notification.state != NotificationState::Sent)),
        ])
    }

    /// A mapping of the texts that are there, masked.
    pub(super) fn record<const N: usize>(&self, fields: [(&str, Option<&String>); N]) -> Mapping {
        let mut record = Mapping::new();
        for (key, text) in fields {
            if let Some(text) = text {
                record.push(Node::text(key), Node::text(self.mask(text)));
            }
        }
        record
    }
}

/// The first effects, each of a bounded length, and how many more there were.
/// Masked before it is cut: half a secret is not recognized.
fn shortened<'a>(
    done: &'a [String],
    mask: impl Fn(&str) -> String + 'a,
) -> impl Iterator<Item = String> + 'a {
    let kept = done.iter().take(DONE_LIMIT).map(move |step| mask(step).chars().take(DONE_LENGTH).collect());
    let more = done.len().saturating_sub(DONE_LIMIT);
    kept.chain((more > 0).then(|| format!("and {more} more")))
}

fn set_record(fields: &mut Mapping, key: &str, record: Option<Mapping>) {
    match record {
        Some(record) => fields.set(key, Node::mapping(record)),
        None => {
            fields.remove(key);
        }
    }
}

fn status(fields: &Mapping) -> TaskStatus {
    fields.text("status").and_then(TaskStatus::from_file).unwrap_or(TaskStatus::NotStarted)
}

/// Status and times of a task, as a run that finds out nothing leaves them.
fn standing(fields: &Mapping) -> Mapping {
    let keep = |key: &str| fields.get(key).cloned().unwrap_or_else(Node::null);
    let status = Node::text(status(fields).text());
    Mapping::from([
        ("status", status),
        ("started_at", keep("started_at")),
        ("completed_at", keep("completed_at")),
    ])
}

/// Leaves the task as it was before a run that found out nothing. Its log is kept where there is no other result.
fn take_back(fields: &mut Mapping, before: Option<&Mapping>, result: Option<String>) {
    for (key, value) in before.into_iter().flat_map(Mapping::iter) {
        if let Some(key) = key.as_text() {
            fields.set(key, value.clone());
        }
    }
    if let Some(result) = result.filter(|_| fields.text("result").is_none()) {
        fields.set("result", Node::text(result));
    }
}

fn begin(fields: &mut Mapping, started: Timestamp) {
    if status(fields) != TaskStatus::InProgress || fields.text("started_at").is_none() {
        fields.set("started_at", Node::text(stamp(started)));
    }
    fields.set("status", Node::text(TaskStatus::InProgress.text()));
    fields.set("completed_at", Node::null());
}

fn decide(fields: &mut Mapping, status: TaskStatus, started: Timestamp, finished: Timestamp) {
    fields.set("status", Node::text(status.text()));
    if fields.text("started_at").is_none() {
        fields.set("started_at", Node::text(stamp(started)));
    }
    fields.set("completed_at", Node::text(stamp(finished)));
}

/// What the end of the current run means for its task.
fn conclude(fields: &mut Mapping, end: &RunEnd, result: Option<String>) {
    let before = status(fields);
    if before == TaskStatus::Pass && !end.run.force {
        if end.status != Some(TaskStatus::Pass) || result.is_none() {
            return;
        }
        fields.set("started_at", Node::text(stamp(end.run.started)));
    }
    match end.status {
        Some(TaskStatus::InProgress) => begin(fields, end.run.started),
        Some(status @ (TaskStatus::Pass | TaskStatus::Fail)) => {
            decide(fields, status, end.run.started, end.finished);
        }
        Some(TaskStatus::NotStarted) => fields.set("status", Node::text(TaskStatus::NotStarted.text())),
        None => {}
    }
    if let Some(result) = result {
        fields.set("result", Node::text(result));
    }
}

pub(super) fn runs_mut(fields: &mut Mapping) -> impl Iterator<Item = &mut Mapping> {
    fields
        .get_mut("history")
        .and_then(Node::as_sequence_mut)
        .into_iter()
        .flatten()
        .filter_map(Node::as_mapping_mut)
}

fn find_run<'a>(fields: &'a mut Mapping, id: &str) -> Option<(usize, &'a mut Mapping)> {
    runs_mut(fields).enumerate().find(|(_, run)| run.text("id") == Some(id))
}

/// Whether the run at `index` still speaks for the task: nothing came after it, except that a person said that the
/// task is in progress.
fn is_current(fields: &mut Mapping, index: usize) -> bool {
    runs_mut(fields).skip(index + 1).all(|later| {
        later.text("command") == Some(SET_BY_HAND)
            && later.text("outcome") == Some(RunOutcome::InProgress.text())
    })
}

fn append_run(fields: &mut Mapping, entry: Mapping) {
    if fields.get("history").and_then(Node::as_sequence).is_none() {
        fields.set("history", Node::sequence(Vec::new()));
    }
    let Some(history) = fields.get_mut("history").and_then(Node::as_sequence_mut) else { return };
    history.push(Node::mapping(entry));
    while history.len() > HISTORY_LIMIT {
        let routine = |run: &Node| {
            run.as_mapping().is_some_and(|run| {
                run.text("outcome") == Some(RunOutcome::InProgress.text())
                    && run.get("notifications").is_none()
            })
        };
        // The first run says when and by whom the task was begun.
        let oldest = history.iter().skip(1).position(routine).map_or(1, |index| index + 1);
        history.remove(oldest);
    }
}

/// Adds entries to a run's outbox, or moves those that are there already forward.
fn merge_outbox(run: &mut Mapping, entries: Vec<Mapping>) {
    if entries.is_empty() {
        return;
    }
    if run.get("notifications").and_then(Node::as_sequence).is_none() {
        run.set("notifications", Node::sequence(Vec::new()));
    }
    let Some(outbox) = run.get_mut("notifications").and_then(Node::as_sequence_mut) else { return };
    for entry in entries {
        let key = entry.text("key").map(str::to_owned);
        let existing = outbox
            .iter_mut()
            .filter_map(Node::as_mapping_mut)
            .find(|known| known.text("key").map(str::to_owned) == key);
        match existing {
            None => outbox.push(Node::mapping(entry)),
            Some(known) if known.text("state") == Some(NotificationState::Sent.text()) => {}
            Some(known) => {
                if entry.get("text").is_none() {
                    known.remove("text");
                }
                for (name, value) in entry.iter() {
                    if let Some(name) = name.as_text() {
                        known.set(name, value.clone());
                    }
                }
            }
        }
    }
}

/// The text without surrounding blank lines, at most [`RESULT_LIMIT`] bytes: the head, a line that says how much is
/// missing, and the (longer) tail, because the end of a log says how it went.
///
/// Blanks at line ends go: for one of them YAML would have to write the whole text as one escaped line.
fn bounded(text: &str) -> String {
    // Blanks alone: other white space, such as U+0085 and U+2028, is part of the text.
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches([' ', '\t', '\r'])).collect();
    let text = lines.join("\n");
    let text = text.trim_matches('\n');
    if text.len() <= RESULT_LIMIT {
        return text.to_owned();
    }
    let head_end = text.floor_char_boundary(RESULT_LIMIT / 4);
    let head = text.get(..head_end).unwrap_or_default();
    let head = head.rsplit_once('\n').map_or(head, |(lines, _)| lines);
    // A hundred bytes for the line between.
    let tail_start = text.ceil_char_boundary(text.len() - (RESULT_LIMIT - RESULT_LIMIT / 4 - 100));
    let tail = text.get(tail_start..).unwrap_or_default();
    let tail = tail.split_once('\n').map_or(tail, |(_, lines)| lines);
    let cut = text.len() - head.len() - tail.len();
    format!("{head}\n[{cut} bytes were cut here]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_no_blanks_at_line_ends() {
        assert_eq!(bounded("\r\n\n  a \t\r\n\nb  \n\n"), "  a\n\nb");
        assert_eq!(bounded(" \n "), "");
    }

    #[test]
    fn a_long_result_keeps_head_and_tail() {
        let lines: Vec<String> = (0..2000).map(|line| format!("line {line} ünd mehr")).collect();
        let log = lines.join("\n") + "\n";
        let stored = bounded(&log);
        assert!(stored.len() <= RESULT_LIMIT, "{}", stored.len());
        assert!(stored.starts_with("line 0 ünd mehr\n") && stored.ends_with("\nline 1999 ünd mehr"));
        let (head, rest) = stored.split_once("\n[").unwrap();
        let (cut, tail) = rest.split_once(" bytes were cut here]\n").unwrap();
        let cut: usize = cut.parse().unwrap();
        assert_eq!(head.len() + tail.len() + cut, log.trim_end().len());
        assert_eq!(bounded(&stored), stored);
        assert!(bounded(&"é".repeat(20_000)).len() <= RESULT_LIMIT);
    }
}
