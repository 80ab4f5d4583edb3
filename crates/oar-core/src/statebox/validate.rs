//! Checks a file's tree against the StateBox schema (spec 01 §2.2) and makes known fields what they should be.
//!
//! Fields that hold text are text whatever YAML takes them for, so a hand-written `4.20` or an unquoted time
//! stamp keeps its letters and is quoted at the next write. Unknown keys are not changed.

use super::consents::CONSENTS;
use super::decisions::{DECISIONS, DecisionKind};
use super::diagnostic::{Diagnostics, Severity};
use super::jobs::JobSystem;
use super::judged::JUDGED;
use super::names::{TaskName, TaskStatus};
use super::views;
use super::yaml::{Kind, Mapping, Node, Position, Value};
use crate::clock::Moment;

/// The schema that we write.
pub(super) const SCHEMA_VERSION: &str = "1.0";
const SCHEMA_MAJOR: u64 = 1;
const LONGEST_NAME: usize = 200;

/// Checks `root` and returns the findings in the order of the file.
///
/// A file without `metadata`, `tasks` or `issues` was cut off, and its open blockers are lost with what is missing; the
/// Python reference cannot read it either (spec 01 §2.13). A file without `release` could be any release's. So each is
/// an error, for reading and for writing.
pub(super) fn check(root: &mut Node) -> Diagnostics {
    let mut checker = Checker::default();
    checker.file(root);
    checker.found.sort();
    checker.found
}

/// The file's schema version when it is newer than what we may write.
pub(super) fn newer_schema(root: &Mapping) -> Option<&str> {
    let version = root.text("schema_version")?;
    major(version).is_some_and(|major| major > SCHEMA_MAJOR).then_some(version)
}

fn major(version: &str) -> Option<u64> {
    version.split('.').next()?.parse().ok()
}

/// What the absence of a field means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Fine,
    Warning,
    /// Null is as bad as nothing.
    Error,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Time,
}

#[derive(Default)]
struct Checker {
    found: Diagnostics,
    /// A newer program wrote the file: its shape is not ours to judge, only to show.
    lenient: bool,
}

impl Checker {
    fn error(&mut self, position: Position, field: &str, message: impl Into<String>) {
        let severity = if self.lenient { Severity::Warning } else { Severity::Error };
        self.found.push(severity, position, field, message.into());
    }

    fn warning(&mut self, position: Position, field: &str, message: impl Into<String>) {
        self.found.push(Severity::Warning, position, field, message.into());
    }

    fn file(&mut self, root: &mut Node) {
        let position = Position { line: root.position.line.max(1), column: root.position.column.max(1) };
        let described = root.describe();
        let Some(mapping) = root.as_mapping_mut() else {
            let message = format!(
                "a StateBox is a mapping with the keys schema_version, release, metadata, tasks and issues, but \
                 this is {described}"
            );
            return self.error(position, "", message);
        };
        let has = |key: &str| mapping.get(key).is_some();
        if has("releases") && !has("tasks") && !has("schema_version") {
            let message = "this is a release tracking file (it has `releases`), not a StateBox; a StateBox is \
                           _releases/<X.Y>/statebox/<release>.yaml";
            return self.error(position, "releases", message);
        }
        if !["schema_version", "metadata", "tasks", "issues"].into_iter().any(has) {
            let message = "this is not a StateBox: none of the keys schema_version, metadata, tasks and issues \
                           is here";
            return self.error(position, "", message);
        }
        // Before the schema version: whose file it is must be known whatever program wrote it.
        self.release(mapping, position);
        self.schema_version(mapping, position);
        self.text(mapping, "", "created_at", position, Absent::Warning, Form::Time);
        self.text(mapping, "", "updated_at", position, Absent::Warning, Form::Time);
        self.metadata(mapping, position);
        let mut names = Vec::new();
        self.list(mapping, "", "tasks", position, Absent::Error, |checker, item, field| {
            checker.task(item, field, &mut names);
        });
        self.list(mapping, "", "issues", position, Absent::Error, Self::issue);
        self.list(mapping, "", DECISIONS, position, Absent::Fine, Self::decision);
    }

    /// What a person decided. Whether anything may begin depends on it, so what cannot be read is an error.
    fn decision(&mut self, item: &mut Node, field: &str) {
        let position = item.position;
        let Some(decision) = item.as_mapping_mut() else {
            return self.error(position, field, "expected a mapping with id, kind, by, at and reason");
        };
        self.text(decision, field, "kind", position, Absent::Error, Form::Text);
        if let Some(node) = decision.get("kind")
            && let Some(kind) = node.as_text()
            && DecisionKind::from_file(kind).is_none()
        {
            let message =
                format!("`{}` is not a kind of decision; expected hold, verdict or waiver", short(kind));
            self.error(node.position, &join(field, "kind"), message);
        }
        for key in ["id", "by", "reason"] {
            self.text(decision, field, key, position, Absent::Warning, Form::Text);
        }
        self.text(decision, field, "at", position, Absent::Warning, Form::Time);
        for key in ["node", "verdict", "evidence", "until"] {
            self.text(decision, field, key, position, Absent::Fine, Form::Text);
        }
        if let Some(node) = decision.get("until")
            && let Some(until) = node.as_text()
            && let Err(error) = until.parse::<Moment>()
        {
            self.warning(node.position, &join(field, "until"), error.to_string());
        }
        self.withdrawal(decision, field, position);
    }

    fn release(&mut self, mapping: &mut Mapping, position: Position) {
        self.text(mapping, "", "release", position, Absent::Error, Form::Text);
        let Some(node) = mapping.get("release") else { return };
        if node.as_scalar().is_some() && node.as_text().is_none_or(|text| text.trim().is_empty()) {
            let message = "it is empty; expected the release that the file belongs to, such as 4.19.1";
            self.error(node.position, "release", message);
        }
    }

    fn schema_version(&mut self, mapping: &mut Mapping, position: Position) {
        self.text(mapping, "", "schema_version", position, Absent::Warning, Form::Text);
        let Some(node) = mapping.get("schema_version") else { return };
        let Some(version) = node.as_text() else { return };
        match major(version) {
            None => {
                let message =
                    format!("`{}` is not a schema version; expected '{SCHEMA_VERSION}'", short(version));
                self.error(node.position, "schema_version", message);
            }
            Some(major) if major > SCHEMA_MAJOR => {
                let message = format!(
                    "version {version} is newer than {SCHEMA_VERSION}, which this program writes: the file is \
                     read, never changed"
                );
                self.warning(node.position, "schema_version", message);
                self.lenient = true;
            }
            Some(_) => {}
        }
    }

    fn metadata(&mut self, mapping: &mut Mapping, parent: Position) {
        let Some(metadata) = self.mapping(mapping, "", "metadata", parent, Absent::Error) else {
            return;
        };
        let position = metadata.0;
        let metadata = metadata.1;
        for key in ["jira_ticket", "release_date", "shipment_mr"] {
            self.text(metadata, "metadata", key, position, Absent::Fine, Form::Text);
        }
        if let Some(node) = metadata.get("release_date")
            && let Some(date) = node.as_text()
            && !is_release_date(date)
        {
            let message =
                format!("`{}` is not a date like 2026-Jul-07 (year, month's name, day)", short(date));
            self.warning(node.position, "metadata.release_date", message);
        }
        if let Some((_, advisories)) =
            self.mapping(metadata, "metadata", "advisory_ids", position, Absent::Fine)
        {
            for (key, value) in advisories.iter() {
                let field = format!("metadata.advisory_ids.{}", key_text(key));
                if value.as_u64().is_some() {
                    continue;
                }
                if super::metadata::is_placeholder_id(value) {
                    let message = format!(
                        "{} is ART's placeholder for an advisory that is not there yet",
                        value.describe()
                    );
                    self.warning(value.position, &field, message);
                    continue;
                }
                let message = format!(
                    "{} is not an advisory's number; expected digits without quotes, such as 169352",
                    value.describe()
                );
                if views::number(value).is_some() {
                    self.warning(value.position, &field, message);
                } else {
                    self.error(value.position, &field, message);
                }
            }
        }
        if let Some((_, builds)) =
            self.mapping(metadata, "metadata", "candidate_builds", position, Absent::Fine)
        {
            for (key, value) in builds.iter_mut() {
                let field = format!("metadata.candidate_builds.{}", key_text(key));
                self.make_text(value, &field, Form::Text);
            }
        }
    }

    fn task(&mut self, item: &mut Node, field: &str, names: &mut Vec<(String, String)>) {
        let position = item.position;
        let Some(task) = item.as_mapping_mut() else {
            return self.error(position, field, "expected a mapping with name and status");
        };
        self.text(task, field, "name", position, Absent::Error, Form::Text);
        self.text(task, field, "status", position, Absent::Error, Form::Text);
        if let Some(node) = task.get("name") {
            let place = format!("{field}.name");
            match node.as_text() {
                None => self.error(node.position, &place, "a task needs a name, such as stage-testing"),
                Some(name) if name.is_empty() || name.chars().count() > LONGEST_NAME => {
                    let message = format!("a task's name has 1 to {LONGEST_NAME} characters");
                    self.error(node.position, &place, message);
                }
                Some(name) => {
                    let status = task.get("status").and_then(Node::as_text).unwrap_or_default();
                    match names.iter().find(|(known, _)| known == name) {
                        Some((_, other)) if other != status => {
                            let message = format!(
                                "the task `{}` occurs twice, as {other} and as {status}; keep the one that is right",
                                short(name)
                            );
                            self.error(node.position, &place, message);
                        }
                        Some(_) => {
                            let message =
                                format!("the task `{}` occurs twice; the first one counts", short(name));
                            self.warning(node.position, &place, message);
                        }
                        None => {}
                    }
                    if let Some(problem) = unknown_task(name) {
                        self.warning(node.position, &place, problem);
                    }
                    names.push((name.to_owned(), status.to_owned()));
                }
            }
        }
        if let Some(node) = task.get("status")
            && node.as_text().and_then(TaskStatus::from_file).is_none()
        {
            let message = format!(
                "{} is not a status; expected Not Started, In Progress, Pass or Fail, spelled so",
                node.describe()
            );
            self.error(node.position, &format!("{field}.status"), message);
        }
        self.text(task, field, "started_at", position, Absent::Fine, Form::Time);
        self.text(task, field, "completed_at", position, Absent::Fine, Form::Time);
        self.text(task, field, "result", position, Absent::Fine, Form::Text);
        self.list(task, field, "history", position, Absent::Fine, Self::run);
        self.job(task, field, position);
        if !task.get("waiver").is_some_and(Node::is_null)
            && let Some((place, waiver)) = self.mapping(task, field, "waiver", position, Absent::Fine)
        {
            let field = join(field, "waiver");
            for name in ["by", "reason", "scope", "at", "expires"] {
                self.text(waiver, &field, name, place, Absent::Fine, Form::Text);
            }
        }
        self.wait(task, field, position);
        self.claim(task, field, position);
        self.list(task, field, CONSENTS, position, Absent::Fine, Self::consent);
        if !task.get(JUDGED).is_some_and(Node::is_null)
            && let Some((place, judged)) = self.mapping(task, field, JUDGED, position, Absent::Fine)
        {
            self.text(judged, &join(field, JUDGED), "at", place, Absent::Fine, Form::Text);
        }
    }

    /// A person's consent to a plan. Its times and marks decide whether a run may use it, so they are checked.
    fn consent(&mut self, item: &mut Node, field: &str) {
        let position = item.position;
        let Some(consent) = item.as_mapping_mut() else {
            return self.error(position, field, "expected a mapping with id, plan, by, at and until");
        };
        for key in ["id", "plan"] {
            self.text(consent, field, key, position, Absent::Error, Form::Text);
        }
        for key in ["command", "by"] {
            self.text(consent, field, key, position, Absent::Warning, Form::Text);
        }
        for key in ["at", "until"] {
            self.text(consent, field, key, position, Absent::Warning, Form::Time);
        }
        self.text(consent, field, "run", position, Absent::Fine, Form::Text);
        self.text(consent, field, "used_at", position, Absent::Fine, Form::Time);
        self.withdrawal(consent, field, position);
    }

    /// Who took a record back.
    fn withdrawal(&mut self, record: &mut Mapping, field: &str, position: Position) {
        if record.get("withdrawn").is_none_or(Node::is_null) {
            return;
        }
        let Some((place, withdrawn)) = self.mapping(record, field, "withdrawn", position, Absent::Fine)
        else {
            return;
        };
        let field = join(field, "withdrawn");
        self.text(withdrawn, &field, "by", place, Absent::Warning, Form::Text);
        self.text(withdrawn, &field, "at", place, Absent::Warning, Form::Time);
    }

    /// Who is running the task. The lease decides who may act, so its time is checked.
    fn claim(&mut self, task: &mut Mapping, field: &str, position: Position) {
        if task.get("claim").is_some_and(Node::is_null) {
            return;
        }
        let Some((place, claim)) = self.mapping(task, field, "claim", position, Absent::Fine) else { return };
        let field = join(field, "claim");
        for key in ["by", "run"] {
            self.text(claim, &field, key, place, Absent::Warning, Form::Text);
        }
        self.text(claim, &field, "process", place, Absent::Fine, Form::Text);
        for key in ["since", "lease_until"] {
            self.text(claim, &field, key, place, Absent::Warning, Form::Time);
        }
    }

    /// What a task waits for. The holder's lease decides who may act, so its time is checked.
    fn wait(&mut self, task: &mut Mapping, field: &str, position: Position) {
        if task.get("wait").is_some_and(Node::is_null) {
            return;
        }
        let Some((place, wait)) = self.mapping(task, field, "wait", position, Absent::Fine) else { return };
        let field = format!("{field}.wait");
        self.text(wait, &field, "for", place, Absent::Warning, Form::Text);
        for key in ["since", "until", "next_check", "last_check"] {
            self.text(wait, &field, key, place, Absent::Fine, Form::Time);
        }
        self.text(wait, &field, "last_result", place, Absent::Fine, Form::Text);
        let Some(holder) = wait.get_mut("holder").filter(|holder| !holder.is_null()) else { return };
        let field = format!("{field}.holder");
        let place = holder.position;
        match holder.as_mapping_mut() {
            Some(holder) => {
                self.text(holder, &field, "who", place, Absent::Warning, Form::Text);
                self.text(holder, &field, "lease_until", place, Absent::Warning, Form::Time);
            }
            None => self.make_text(holder, &field, Form::Text),
        }
    }

    fn job(&mut self, task: &mut Mapping, field: &str, position: Position) {
        if task.get("job").is_none_or(Node::is_null) {
            return;
        }
        let Some((place, job)) = self.mapping(task, field, "job", position, Absent::Fine) else { return };
        let field = join(field, "job");
        for name in ["system", "name"] {
            self.text(job, &field, name, place, Absent::Error, Form::Text);
        }
        for name in ["id", "queue_item", "url", "state"] {
            self.text(job, &field, name, place, Absent::Fine, Form::Text);
        }
        self.text(job, &field, "triggered_at", place, Absent::Fine, Form::Time);
        if let Some(node) = job.get("system")
            && let Some(JobSystem::Other(other)) = node.as_text().map(JobSystem::from_file)
        {
            let message = format!("`{}` is not a system of jobs; expected prow or jenkins", short(&other));
            self.warning(node.position, &join(&field, "system"), message);
        }
        let known = ["id", "queue_item", "intent"];
        if known.iter().all(|key| job.get(key).is_none_or(Node::is_null)) {
            self.warning(place, &field, "a job needs an id, a queue_item or an intent to be found by");
        }
        if job.get("intent").is_none_or(Node::is_null) {
            return;
        }
        let Some((place, intent)) = self.mapping(job, &field, "intent", place, Absent::Fine) else { return };
        let field = join(&field, "intent");
        self.text(intent, &field, "key", place, Absent::Error, Form::Text);
        self.text(intent, &field, "at", place, Absent::Error, Form::Time);
        for name in ["by", "holder", "replaces"] {
            self.text(intent, &field, name, place, Absent::Fine, Form::Text);
        }
        if let Some((_, parameters)) = self.mapping(intent, &field, "parameters", place, Absent::Fine) {
            for (key, value) in parameters.iter_mut() {
                let field = format!("{field}.parameters.{}", key_text(key));
                self.make_text(value, &field, Form::Text);
            }
        }
    }

    fn run(&mut self, item: &mut Node, field: &str) {
        let position = item.position;
        let Some(run) = item.as_mapping_mut() else {
            return self.error(position, field, "expected a mapping with id, started and outcome");
        };
        self.text(run, field, "id", position, Absent::Error, Form::Text);
        for key in ["started", "finished"] {
            self.text(run, field, key, position, Absent::Fine, Form::Time);
        }
        for key in ["by", "command", "outcome", "class", "reason"] {
            self.text(run, field, key, position, Absent::Fine, Form::Text);
        }
        self.list(run, field, "links", position, Absent::Fine, |checker, link, field| {
            checker.make_text(link, field, Form::Text);
        });
        self.list(run, field, "notifications", position, Absent::Fine, |checker, entry, field| {
            let place = entry.position;
            let Some(entry) = entry.as_mapping_mut() else {
                return checker.error(place, field, "expected a mapping with key, state, channel and at");
            };
            for key in ["key", "state", "channel", "ts", "at", "thread", "text"] {
                checker.text(entry, field, key, place, Absent::Fine, Form::Text);
            }
        });
    }

    fn issue(&mut self, item: &mut Node, field: &str) {
        let position = item.position;
        let Some(issue) = item.as_mapping_mut() else {
            return self.error(position, field, "expected a mapping with issue and resolved");
        };
        self.text(issue, field, "issue", position, Absent::Error, Form::Text);
        if let Some(node) = issue.get("issue")
            && node.as_text().is_none_or(|text| text.trim().is_empty())
        {
            self.error(node.position, &format!("{field}.issue"), "an issue needs a text");
        }
        self.truth(issue, field, "resolved", position, Absent::Error);
        self.truth(issue, field, "blocker", position, Absent::Fine);
        self.text(issue, field, "reported_at", position, Absent::Fine, Form::Time);
        self.text(issue, field, "resolution", position, Absent::Fine, Form::Text);
        self.text(issue, field, "resolved_at", position, Absent::Fine, Form::Time);
        self.text(issue, field, "reported_by", position, Absent::Fine, Form::Text);
        self.text(issue, field, "resolved_by", position, Absent::Fine, Form::Text);
        self.list(issue, field, "related_tasks", position, Absent::Fine, |checker, task, field| {
            checker.make_text(task, field, Form::Text);
            if let Some(problem) = task.as_text().and_then(unknown_task) {
                checker.warning(task.position, field, problem);
            }
        });
    }

    fn truth(&mut self, mapping: &Mapping, path: &str, key: &str, parent: Position, absent: Absent) {
        match mapping.get(key) {
            None => self.absent(path, key, parent, absent, "true or false"),
            Some(node) if node.as_bool().is_none() => {
                let message =
                    format!("expected true or false without quotes, but this is {}", node.describe());
                self.error(node.position, &join(path, key), message);
            }
            Some(_) => {}
        }
    }

    fn text(
        &mut self,
        mapping: &mut Mapping,
        path: &str,
        key: &str,
        parent: Position,
        absent: Absent,
        form: Form,
    ) {
        match mapping.get_mut(key) {
            None => {
                let expected = if form == Form::Time { EXAMPLE_TIME } else { "text" };
                self.absent(path, key, parent, absent, expected);
            }
            Some(node) => self.make_text(node, &join(path, key), form),
        }
    }

    /// Makes a scalar text, whatever YAML takes it for; null stays null.
    fn make_text(&mut self, node: &mut Node, field: &str, form: Form) {
        if node.as_scalar().is_none() {
            let message = format!("expected text, but this is {}", node.describe());
            return self.error(node.position, field, message);
        }
        let position = node.position;
        let Value::Scalar(scalar) = &mut node.value else { return };
        if scalar.kind == Kind::Null {
            return;
        }
        scalar.kind = Kind::Text;
        if form == Form::Time && !is_time(&scalar.text) {
            let message = format!("`{}` is not a time like {EXAMPLE_TIME}", short(&scalar.text));
            self.warning(position, field, message);
        }
    }

    fn mapping<'a>(
        &mut self,
        parent: &'a mut Mapping,
        path: &str,
        key: &str,
        position: Position,
        absent: Absent,
    ) -> Option<(Position, &'a mut Mapping)> {
        let Some(node) = parent.get_mut(key) else {
            self.absent(path, key, position, absent, "a mapping");
            return None;
        };
        if node.is_null() && absent != Absent::Error {
            node.value = Value::Mapping(Mapping::new());
        }
        let place = node.position;
        if node.as_mapping().is_none() {
            let message = format!("expected a mapping, but this is {}", node.describe());
            self.error(place, &join(path, key), message);
        }
        node.as_mapping_mut().map(|mapping| (place, mapping))
    }

    fn list(
        &mut self,
        parent: &mut Mapping,
        path: &str,
        key: &str,
        position: Position,
        absent: Absent,
        mut each: impl FnMut(&mut Self, &mut Node, &str),
    ) {
        let Some(node) = parent.get_mut(key) else {
            return self.absent(path, key, position, absent, "a list");
        };
        if node.is_null() && absent != Absent::Error {
            node.value = Value::Sequence(Vec::new());
        }
        let field = join(path, key);
        if node.as_sequence().is_none() {
            let message = format!("expected a list, but this is {}", node.describe());
            self.error(node.position, &field, message);
        }
        for (index, item) in node.as_sequence_mut().into_iter().flatten().enumerate() {
            each(self, item, &format!("{field}[{index}]"));
        }
    }

    fn absent(&mut self, path: &str, key: &str, parent: Position, absent: Absent, expected: &str) {
        let message = format!("the key is missing; expected {expected}");
        match absent {
            Absent::Fine => {}
            Absent::Warning => self.warning(parent, &join(path, key), message),
            Absent::Error => self.error(parent, &join(path, key), message),
        }
    }
}

const EXAMPLE_TIME: &str = "'2026-07-02T15:03:03Z'";

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn key_text(key: &Node) -> String {
    key.as_scalar().map(|scalar| short(&scalar.text)).unwrap_or_default()
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn unknown_task(name: &str) -> Option<String> {
    if TaskName::ALL.iter().any(|task| task.id() == name) {
        return None;
    }
    // The name may differ only in spelling; files are read to the letter.
    Some(match name.parse::<TaskName>() {
        Ok(task) => format!("`{}` is not a task name; did you mean `{task}`?", short(name)),
        Err(error) => error.to_string(),
    })
}

/// A time with a zone, as any program of the family has written it.
fn is_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

/// Year, abbreviated month in any case, day of one or two digits (spec 01 §2.10).
fn is_release_date(text: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(year, 4..=4)
        && MONTHS.contains(&month.to_lowercase().as_str())
        && digits(day, 1..=2)
        && day.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day))
}
