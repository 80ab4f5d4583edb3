//! What an agent leaves on its machine about its passes, for `oarctl agents list`.

use std::path::{Path, PathBuf};

use cli_support::Session;
use jiff::Timestamp;
use oar_core::files;
use oar_core::flow::holder;
use serde::{Deserialize, Serialize};

use crate::pass::Pass;
use crate::schedule::Agent;

/// The folder of the records, below that of the programs' small files.
const FOLDER: &str = "agents";
/// The longest problem that is kept, in characters.
const LONGEST_PROBLEM: usize = 500;
/// The largest record that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// What is known of an agent on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentRecord {
    /// The agent: program, role and scope, or the name under which it is supervised.
    pub name: String,
    /// What it does; empty where its name says it.
    pub about: String,
    /// The process that wrote this last.
    pub pid: u32,
    /// The same process by its start too, because a number is given again ([`holder`]).
    pub process: Option<String>,
    /// Whether it makes one pass after another.
    pub repeats: bool,
    /// Whether another program had the turn when this one looked last.
    pub stands_by: bool,
    /// When the last pass began.
    pub last_pass: Option<Timestamp>,
    /// When it ended; `None` while it goes on.
    pub last_pass_ended: Option<Timestamp>,
    /// How many things went wrong in it.
    pub problems: usize,
    /// When the next pass is due; `None` for an agent that makes one.
    pub next_pass: Option<Timestamp>,
    /// The last problem of all passes.
    pub last_problem: Option<Problem>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

impl AgentRecord {
    /// Whether the process that wrote this last lives; `None` when that cannot be seen from here.
    pub fn is_running(&self) -> Option<bool> {
        holder::has_ended(self.process.as_deref()?).map(|ended| !ended)
    }
}

/// The folder of the records on this machine.
pub(crate) fn records_folder(session: &Session) -> Option<PathBuf> {
    Some(session.environment.state_home()?.join(FOLDER))
}

/// The records on this machine, in the order of their names. One that cannot be read is left out.
pub fn records(session: &Session) -> Vec<AgentRecord> {
    let Some(folder) = records_folder(session) else { return Vec::new() };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    // One without a name is not a record of ours.
    let records =
        paths.filter_map(|path| read::<AgentRecord>(&path)).filter(|record| !record.name.is_empty());
    let mut records: Vec<AgentRecord> = records.collect();
    records.sort_by(|one, other| one.name.cmp(&other.name));
    records
}

pub(crate) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    // A FIFO in its place is not waited for.
    serde_json::from_slice(&files::read(path, LARGEST).ok()?).ok()
}

/// The names and records of the supervised agents.
pub(crate) fn supervised_file(folder: &Path, name: &str) -> PathBuf {
    folder.join("supervised").join(file_name(name))
}

/// Writes a file. What cannot be written only lacks in the list.
pub(crate) fn write(path: &Path, value: &impl Serialize) {
    if let Err(error) = try_to_write(path, value) {
        tracing::debug!("{} is not written: {error}", path.display());
    }
}

fn try_to_write(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    files::replace(path, &serde_json::to_vec_pretty(value)?)
}

/// Keeps the record of one agent. A dry run leaves none.
pub(crate) struct Recorder {
    path: Option<PathBuf>,
    record: AgentRecord,
    /// Whether it was said that the record cannot be written.
    warned: bool,
}

impl Recorder {
    /// The recorder of `agent`, which is called `supervised` when it is supervised, and `repeats` its passes or makes one.
    pub(crate) fn of(session: &Session, agent: &Agent<'_>, supervised: Option<&str>, repeats: bool) -> Self {
        let name = supervised.map_or_else(|| agent.name(), str::to_owned);
        let path =
            records_folder(session).filter(|_| !agent.dry_run).map(|folder| folder.join(file_name(&name)));
        let earlier: Option<AgentRecord> = path.as_deref().and_then(read);
        let record = AgentRecord {
            name,
            about: agent.about.to_owned(),
            pid: std::process::id(),
            process: holder::current(),
            repeats,
            // What an earlier process planned is not done any more.
            stands_by: false,
            next_pass: None,
            ..earlier.unwrap_or_default()
        };
        Self { path, record, warned: false }
    }

    pub(crate) fn stands_by(&mut self, stands_by: bool) {
        if self.record.stands_by != stands_by {
            self.record.stands_by = stands_by;
            self.write();
        }
    }

    pub(crate) fn begins(&mut self, at: Timestamp) {
        self.record.last_pass = Some(at);
        self.record.last_pass_ended = None;
        self.record.next_pass = None;
        self.write();
    }

    /// A pass has ended; `next` is when the next one is due.
    pub(crate) fn ended(&mut self, pass: &Pass, at: Timestamp, next: Option<Timestamp>, session: &Session) {
        self.record.last_pass_ended = Some(at);
        self.record.problems = pass.problem_count();
        self.record.next_pass = next;
        if let Some(text) = pass.last_problem() {
            let text = session.redactor.redact(text).chars().take(LONGEST_PROBLEM).collect();
            self.record.last_problem = Some(Problem { at, text });
        }
        self.write();
    }

    /// The agent ends: no pass is planned any more.
    pub(crate) fn stops(&mut self) {
        self.record.next_pass = None;
        self.record.stands_by = false;
        self.write();
    }

    fn write(&mut self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = try_to_write(path, &self.record)
            && !self.warned
        {
            self.warned = true;
            tracing::warn!(
                "`oarctl agents list` will not show this agent's passes: {} is not written: {error}",
                path.display()
            );
        }
    }
}

/// The name of an agent's file: what is no letter, digit, dot, dash or underscore in its name is written as a dash.
fn file_name(name: &str) -> String {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let name: String = name.chars().map(|letter| if good(letter) { letter } else { '-' }).take(120).collect();
    format!("{name}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FOLDER).join(file_name("oarctl/release detector"));
        let at = Timestamp::from_second(1_783_004_400).unwrap();
        let problem = Some(Problem { at, text: "GitHub is out".to_owned() });
        let record = AgentRecord {
            name: "x".to_owned(),
            last_pass: Some(at),
            last_problem: problem,
            ..AgentRecord::default()
        };
        write(&path, &record);
        assert_eq!(read::<AgentRecord>(&path), Some(record));
        assert!(path.ends_with("agents/oarctl-release-detector.json"), "{}", path.display());
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read::<AgentRecord>(&path), None);
    }
}
