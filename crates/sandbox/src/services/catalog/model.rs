//! Images of the catalog.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::Simulated;

/// A grade and its time. What is `None` is written as null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradeWindow {
    /// The letter.
    pub grade: Option<String>,
    /// From when it holds.
    pub start: Option<String>,
    /// Until when it holds.
    pub end: Option<String>,
}

impl GradeWindow {
    /// A grade that holds since `start`.
    pub fn since(grade: &str, start: &str) -> Self {
        Self { grade: Some(grade.to_owned()), start: Some(start.to_owned()), end: None }
    }

    pub(crate) fn view(&self) -> Value {
        json!({"grade": self.grade, "start_date": self.start, "end_date": self.end, "creation_date": self.start})
    }
}

/// One image of one architecture.
#[derive(Clone, Debug)]
pub struct Image {
    /// The catalog's own id.
    pub id: String,
    /// Architecture in Go's spelling.
    pub architecture: String,
    /// Its repository.
    pub repository: String,
    /// Whether the record was removed: it is still found, and says nothing of today.
    pub deleted: bool,
    /// Its grades; `None` when the record has no such member.
    pub grades: Option<Vec<GradeWindow>>,
    /// Its vulnerabilities, as the interface writes them.
    pub vulnerabilities: Vec<Value>,
}

/// The catalog.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Images by digest, `sha256:…`.
    pub images: BTreeMap<String, Image>,
    /// More records of the same digests, which are not unique.
    pub more_records: Vec<(String, Image)>,
    /// Filters over many digests are refused with 400.
    pub refuse_lists: bool,
    /// Filters over many digests are not understood as they are meant: nothing is found, and no error says why.
    pub misreads_lists: bool,
    /// Digests that a list leaves out, although a request for a single digest finds them.
    pub left_out_of_lists: Vec<String>,
    /// Digests whose look-up ends with 500, alone and in a list.
    pub broken: Vec<String>,
}

impl State {
    /// An image by the catalog's own id.
    pub(super) fn by_id(&self, id: &str) -> Option<&Image> {
        self.images.values().find(|image| image.id == id)
    }

    /// Gives an image one grade that holds since a long time ago.
    pub fn set_grade(&mut self, digest: &str, grade: &str) -> bool {
        let Some(image) = self.images.get_mut(digest) else { return false };
        image.grades = Some(vec![GradeWindow::since(grade, "2026-01-01T00:00:00+00:00")]);
        true
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({"images": self.images.len(), "refuse_lists": self.refuse_lists})
    }

    /// `set-grade {"image_id", "grade"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        if operation != "set-grade" {
            return Err("operations: set-grade".to_owned());
        }
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        if self.set_grade(text("image_id")?, text("grade")?) {
            Ok(json!({"done": operation}))
        } else {
            Err("no such image".to_owned())
        }
    }
}
