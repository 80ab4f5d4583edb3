//! Buckets, objects, and who may read them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::Simulated;

/// One object.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it holds.
    pub content: Bytes,
    /// Its media type.
    pub kind: String,
    /// When it was written.
    pub created: Timestamp,
}

impl Object {
    /// An object whose media type follows from its name.
    pub fn new(name: &str, content: impl Into<Bytes>, created: Timestamp) -> Self {
        let kind = match name.rsplit('.').next() {
            Some("json") => "application/json",
            Some("yaml") => "application/x-yaml",
            Some("xml") => "application/xml",
            Some("txt" | "log") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        };
        Self { content: content.into(), kind: kind.to_owned(), created }
    }
}

/// The report that the next finished runs of a job have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// One that fits the run's outcome.
    Fitting,
    /// One with the key `ginkgo` twice.
    Repeated,
    /// None at all.
    Absent,
    /// This text.
    Text(String),
}

/// Everything that the service knows.
#[derive(Clone, Debug)]
pub struct State {
    /// Service accounts that may read, and bearer tokens that need no sign-in.
    pub readers: BTreeSet<String>,
    /// The same of those who are known and may not read.
    pub strangers: BTreeSet<String>,
    /// The readers that may not list: for a missing object they get the same refusal as for a forbidden one.
    pub without_list: BTreeSet<String>,
    /// Names of the buckets.
    pub buckets: BTreeSet<String>,
    /// What was put: bucket and name.
    pub objects: BTreeMap<(String, String), Object>,
    /// Reports by job; absent: [`Report::Fitting`], and none for upgrades.
    pub reports: BTreeMap<String, Report>,
    /// How many more files every finished run has.
    pub clutter: usize,
    /// The largest page of a list.
    pub page: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            readers: BTreeSet::new(),
            strangers: BTreeSet::new(),
            without_list: BTreeSet::new(),
            buckets: BTreeSet::new(),
            objects: BTreeMap::new(),
            reports: BTreeMap::new(),
            clutter: 1_100,
            page: 1_000,
        }
    }
}

impl State {
    /// Puts an object into a bucket.
    pub fn put(&mut self, bucket: &str, name: &str, content: impl Into<Bytes>, now: Timestamp) {
        self.buckets.insert(bucket.to_owned());
        self.objects.insert((bucket.to_owned(), name.to_owned()), Object::new(name, content, now));
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let objects: Vec<Value> = self
            .objects
            .iter()
            .map(|((bucket, name), object)| {
                json!({"bucket": bucket, "name": name, "size": object.content.len()})
            })
            .collect();
        json!({"buckets": self.buckets, "objects": objects})
    }

    /// `access {"account", "reads": true or false, "lists": true or false}`, `put {"bucket", "name", "content"}`, `report {"job", "kind": "fitting", "repeated" or "absent"}` or `{"job",
    /// "text"}`, `settings {"clutter", "page"}`.
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let number = |name: &str| {
            body.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
        };
        match operation {
            "put" => self.put(text("bucket")?, text("name")?, text("content")?.to_owned(), now),
            "report" => {
                let report = match (body.get("text").and_then(Value::as_str), body.get("kind")) {
                    (Some(text), _) => Report::Text(text.to_owned()),
                    (None, Some(kind)) if kind == "fitting" => Report::Fitting,
                    (None, Some(kind)) if kind == "repeated" => Report::Repeated,
                    (None, Some(kind)) if kind == "absent" => Report::Absent,
                    _ => return Err("kind is fitting, repeated or absent".to_owned()),
                };
                self.reports.insert(text("job")?.to_owned(), report);
            }
            "access" => {
                let account = text("account")?.to_owned();
                let (from, to) = match body.get("reads").and_then(Value::as_bool) {
                    Some(true) => (&mut self.strangers, &mut self.readers),
                    Some(false) => (&mut self.readers, &mut self.strangers),
                    None => return Err("access needs reads".to_owned()),
                };
                from.remove(&account);
                to.insert(account.clone());
                match body.get("lists").and_then(Value::as_bool) {
                    Some(false) => self.without_list.insert(account),
                    _ => self.without_list.remove(&account),
                };
            }
            "settings" => {
                self.clutter = number("clutter").unwrap_or(self.clutter);
                self.page = number("page").unwrap_or(self.page).clamp(1, 1_000);
            }
            _ => return Err("operations: access, put, report, settings".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}
