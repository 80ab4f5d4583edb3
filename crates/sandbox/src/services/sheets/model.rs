//! Spreadsheets, their sheets and cells, and who may see them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    range::cell_name,
    refusal::{self, Refusal},
};
use crate::world::Simulated;

/// Rows and columns of a new sheet.
const GRID: (usize, usize) = (1000, 26);
/// Requests per minute of one account, for reading and for writing each.
const QUOTA: usize = 60;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What was typed: the formula, for a formula.
    pub entered: String,
    /// What is shown.
    pub shown: String,
}

/// One sheet.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its id inside the spreadsheet.
    pub id: u64,
    /// Its title.
    pub title: String,
    /// How many rows it has.
    pub rows: usize,
    /// How many columns it has.
    pub columns: usize,
    /// Cells that are not empty, by row and column from 0.
    pub cells: BTreeMap<(usize, usize), Cell>,
}

impl Sheet {
    /// An empty sheet.
    pub fn new(id: u64, title: &str) -> Self {
        Self { id, title: title.to_owned(), rows: GRID.0, columns: GRID.1, cells: BTreeMap::new() }
    }

    /// What the cell shows: `B9`, with an empty text for an empty cell.
    pub fn shown(&self, name: &str) -> String {
        let found = self.cells.iter().find(|((row, column), _)| cell_name(*row, *column) == name);
        found.map(|(_, cell)| cell.shown.clone()).unwrap_or_default()
    }

    /// Puts a text into a cell.
    pub fn put(&mut self, row: usize, column: usize, text: &str) {
        let cell = Cell { entered: text.to_owned(), shown: text.to_owned() };
        self.cells.insert((row, column), cell);
    }
}

/// One spreadsheet.
#[derive(Clone, Debug)]
pub struct Spreadsheet {
    /// Its title.
    pub title: String,
    /// Its sheets in order.
    pub sheets: Vec<Sheet>,
    /// Accounts that may change it.
    pub editors: BTreeSet<String>,
    /// Accounts that may read it.
    pub readers: BTreeSet<String>,
}

impl Spreadsheet {
    /// A spreadsheet with empty sheets of these titles, shared with nobody.
    pub fn new<'a>(title: &str, sheets: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            title: title.to_owned(),
            sheets: (0..).zip(sheets).map(|(id, title)| Sheet::new(id * 1_000_003, title)).collect(),
            editors: BTreeSet::new(),
            readers: BTreeSet::new(),
        }
    }

    /// The sheet with this title.
    pub fn sheet(&self, title: &str) -> Option<&Sheet> {
        self.sheets.iter().find(|sheet| sheet.title == title)
    }

    /// The sheet with this title, to be changed.
    pub fn sheet_mut(&mut self, title: &str) -> Option<&mut Sheet> {
        self.sheets.iter_mut().find(|sheet| sheet.title == title)
    }

    /// An id that no sheet has.
    pub(super) fn free_id(&self) -> u64 {
        self.sheets.iter().map(|sheet| sheet.id).max().unwrap_or_default() + 1_000_003
    }

    /// Makes a copy of a sheet, the last one of all. The error says what is wrong.
    pub fn duplicate(&mut self, source: &str, title: &str) -> Result<(), String> {
        if self.sheet(title).is_some() {
            return Err(format!("there is a sheet {title}"));
        }
        let id = self.free_id();
        let mut copy = self.sheet(source).ok_or_else(|| format!("there is no sheet {source}"))?.clone();
        copy.id = id;
        title.clone_into(&mut copy.title);
        self.sheets.push(copy);
        Ok(())
    }
}

/// All spreadsheets.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By id.
    pub spreadsheets: BTreeMap<String, Spreadsheet>,
    /// Requests per minute that are answered, where it differs from Google's.
    pub quota: Option<usize>,
    asked: BTreeMap<(String, bool), VecDeque<Timestamp>>,
}

impl State {
    /// Counts a request of `account`; refuses it when there were too many in the last minute.
    pub(super) fn count(&mut self, account: &str, writes: bool, now: Timestamp) -> Result<(), Refusal> {
        let limit = self.quota.unwrap_or(QUOTA);
        let asked = self.asked.entry((account.to_owned(), writes)).or_default();
        let minute = SignedDuration::from_mins(1);
        while asked.front().is_some_and(|at| now.duration_since(*at) >= minute) {
            asked.pop_front();
        }
        if asked.len() >= limit {
            return Err(refusal::exhausted(if writes { "Write" } else { "Read" }, limit));
        }
        asked.push_back(now);
        Ok(())
    }

    /// The spreadsheet, when `account` may read it, or change it.
    pub(super) fn open(
        &mut self,
        id: &str,
        account: &str,
        writes: bool,
    ) -> Result<&mut Spreadsheet, Refusal> {
        let spreadsheet = self.spreadsheets.get_mut(id).ok_or_else(refusal::not_found)?;
        let may = spreadsheet.editors.contains(account) || (!writes && spreadsheet.readers.contains(account));
        if may { Ok(spreadsheet) } else { Err(refusal::forbidden()) }
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let sheet = |sheet: &Sheet| {
            let cells: BTreeMap<String, &str> = sheet
                .cells
                .iter()
                .map(|((row, column), cell)| (cell_name(*row, *column), cell.shown.as_str()))
                .collect();
            json!({"id": sheet.id, "title": sheet.title, "cells": cells})
        };
        let spreadsheet = |(id, spreadsheet): (&String, &Spreadsheet)| {
            let sheets: Vec<Value> = spreadsheet.sheets.iter().map(sheet).collect();
            json!({"id": id, "title": spreadsheet.title, "sheets": sheets})
        };
        json!({"spreadsheets": self.spreadsheets.iter().map(spreadsheet).collect::<Vec<_>>()})
    }

    /// `add-worksheet {"spreadsheet", "title"}` copies the sheet `template`; `share {"spreadsheet", "account"}`,
    /// `unshare {"spreadsheet"}`, `read-only {"spreadsheet"}`; `set-quota {"per_minute"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        if operation == "set-quota" {
            let limit = body.get("per_minute").and_then(Value::as_u64);
            let limit = limit.ok_or("set-quota needs the number per_minute")?;
            self.quota = Some(usize::try_from(limit).unwrap_or(usize::MAX));
            return Ok(json!({"done": operation}));
        }
        if !["add-worksheet", "share", "unshare", "read-only"].contains(&operation) {
            return Err("operations: add-worksheet, share, unshare, read-only, set-quota".to_owned());
        }
        let spreadsheet =
            self.spreadsheets.get_mut(text("spreadsheet")?).ok_or("no spreadsheet with this id")?;
        match operation {
            "add-worksheet" => spreadsheet.duplicate("template", text("title")?)?,
            "share" => {
                spreadsheet.editors.insert(text("account")?.to_owned());
            }
            "unshare" => {
                spreadsheet.editors.clear();
                spreadsheet.readers.clear();
            }
            _ => spreadsheet.readers.append(&mut spreadsheet.editors),
        }
        Ok(json!({"done": operation}))
    }
}
