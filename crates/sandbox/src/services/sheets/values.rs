//! Reading and writing the values of cells.

use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::{
    front::{Ask, one_of},
    model::{Cell, Sheet, Spreadsheet},
    range::{Block, cell_name, column_name, resolve},
    refusal::{Refusal, invalid},
};
use crate::unexpected::Unexpected;

const RENDER: [&str; 3] = ["FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"];
const DIMENSIONS: [&str; 2] = ["ROWS", "COLUMNS"];

/// `values.get`.
pub(super) fn read(spreadsheet: &Spreadsheet, range: &str, ask: &Ask) -> Result<Value, Refusal> {
    let render = one_of("value_render_option", ask.parameter("valueRenderOption"), &RENDER)?;
    let dimension = one_of("major_dimension", ask.parameter("majorDimension"), &DIMENSIONS)?;
    let (index, block) = resolve(spreadsheet, range)?;
    let Some(sheet) = spreadsheet.sheets.get(index) else { return Err(invalid("no sheet")) };
    let mut answer = json!({"range": block.name(&sheet.title), "majorDimension": dimension});
    let rows = rows(sheet, block, render);
    let rows = if dimension == "ROWS" { rows } else { columns(&rows) };
    if !rows.is_empty() {
        answer["values"] = json!(rows);
    }
    Ok(answer)
}

/// `values.batchGet`.
pub(super) fn batch_read(id: &str, spreadsheet: &Spreadsheet, ask: &Ask) -> Result<Value, Refusal> {
    let ranges = ask.query.iter().filter(|(name, _)| name == "ranges");
    let ranges: Vec<Value> =
        ranges.map(|(_, range)| read(spreadsheet, range, ask)).collect::<Result<_, _>>()?;
    Ok(json!({"spreadsheetId": id, "valueRanges": ranges}))
}

/// The block row by row, without what is empty at the ends.
fn rows(sheet: &Sheet, block: Block, render: &str) -> Vec<Vec<String>> {
    let text = |row: usize, column: usize| {
        let cell = sheet.cells.get(&(row, column));
        let text = cell.map(|cell| if render == "FORMULA" { &cell.entered } else { &cell.shown });
        text.cloned().unwrap_or_default()
    };
    let mut rows: Vec<Vec<String>> = (block.top..=block.bottom)
        .map(|row| (block.left..=block.right).map(|column| text(row, column)).collect())
        .collect();
    trim(&mut rows);
    rows
}

fn columns(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let width = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let mut columns: Vec<Vec<String>> =
        (0..width).map(|column| rows.iter().map(|row| cell(row, column)).collect()).collect();
    trim(&mut columns);
    columns
}

fn trim(rows: &mut Vec<Vec<String>>) {
    for row in &mut *rows {
        let end = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        row.truncate(end);
    }
    let end = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    rows.truncate(end);
}

/// `values.update`.
pub(super) fn update(
    id: &str,
    spreadsheet: &mut Spreadsheet,
    range: &str,
    ask: &Ask,
) -> Result<Value, Refusal> {
    if let Some(named) = ask.body.get("range").and_then(Value::as_str)
        && named != range
    {
        return Err(invalid(&format!(
            "Requested writing within range [{range}], but tried writing to range [{named}]"
        )));
    }
    let option = input_option(ask.parameter("valueInputOption"))?;
    let write = Write::prepare(spreadsheet, range, &ask.body, option)?;
    Ok(write.apply(id, spreadsheet))
}

/// `values.batchUpdate`: all or nothing.
pub(super) fn batch_update(id: &str, spreadsheet: &mut Spreadsheet, ask: &Ask) -> Result<Value, Refusal> {
    let option = input_option(ask.body.get("valueInputOption").and_then(Value::as_str))?;
    let data = ask.body.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    let writes: Vec<Write> = data
        .iter()
        .map(|item| {
            let range = item.get("range").and_then(Value::as_str).unwrap_or_default();
            Write::prepare(spreadsheet, range, item, option)
        })
        .collect::<Result<_, _>>()?;
    let responses: Vec<Value> = writes.into_iter().map(|write| write.apply(id, spreadsheet)).collect();
    let total = |name: &str| responses.iter().filter_map(|response| response[name].as_u64()).sum::<u64>();
    Ok(json!({
        "spreadsheetId": id,
        "totalUpdatedRows": total("updatedRows"),
        "totalUpdatedColumns": total("updatedColumns"),
        "totalUpdatedCells": total("updatedCells"),
        "totalUpdatedSheets": usize::from(!responses.is_empty()),
        "responses": responses,
    }))
}

/// `values.append`: behind the last row of the table that begins in the range.
pub(super) fn append(
    id: &str,
    spreadsheet: &mut Spreadsheet,
    range: &str,
    ask: &Ask,
) -> Result<Value, Refusal> {
    let option = input_option(ask.parameter("valueInputOption"))?;
    let (index, block) = resolve(spreadsheet, range)?;
    let Some(sheet) = spreadsheet.sheets.get(index) else { return Err(invalid("no sheet")) };
    let last = sheet
        .cells
        .keys()
        .filter(|(row, column)| *row >= block.top && (block.left..=block.right).contains(column));
    let row = last.map(|(row, _)| row + 1).max().unwrap_or(block.top);
    let table = block.name(&sheet.title);
    let (title, _) = table.rsplit_once('!').unwrap_or((table.as_str(), ""));
    let range = format!("{title}!{}", cell_name(row, block.left));
    let updates = Write::prepare(spreadsheet, &range, &ask.body, option)?.apply(id, spreadsheet);
    Ok(json!({"spreadsheetId": id, "tableRange": table, "updates": updates}))
}

/// `values.clear`.
pub(super) fn clear(id: &str, spreadsheet: &mut Spreadsheet, range: &str) -> Result<Value, Refusal> {
    let (index, block) = resolve(spreadsheet, range)?;
    let Some(sheet) = spreadsheet.sheets.get_mut(index) else { return Err(invalid("no sheet")) };
    let inside = |row: usize, column: usize| {
        (block.top..=block.bottom).contains(&row) && (block.left..=block.right).contains(&column)
    };
    sheet.cells.retain(|(row, column), _| !inside(*row, *column));
    Ok(json!({"spreadsheetId": id, "clearedRange": block.name(&sheet.title)}))
}

fn input_option(option: Option<&str>) -> Result<bool, Refusal> {
    match option {
        Some("USER_ENTERED") => Ok(true),
        Some("RAW") => Ok(false),
        _ => Err(invalid(
            "'valueInputOption' is required but not specified or is not one of RAW, USER_ENTERED",
        )),
    }
}

/// One write whose cells are known to be good.
struct Write {
    sheet: usize,
    block: Block,
    columns: usize,
    cells: Vec<(usize, usize, Option<Cell>)>,
}

impl Write {
    fn prepare(spreadsheet: &Spreadsheet, range: &str, body: &Value, typed: bool) -> Result<Self, Refusal> {
        let dimension =
            one_of("major_dimension", body.get("majorDimension").and_then(Value::as_str), &DIMENSIONS)?;
        let (index, mut block) = resolve(spreadsheet, range)?;
        let Some(sheet) = spreadsheet.sheets.get(index) else { return Err(invalid("no sheet")) };
        let rows = body.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut cells = Vec::new();
        for (down, row) in rows.iter().enumerate() {
            let Some(row) = row.as_array() else {
                return Err(invalid(
                    "Invalid value at 'data.values' (type.googleapis.com/google.protobuf.ListValue)",
                ));
            };
            for (across, value) in row.iter().enumerate() {
                let (down, across) = if dimension == "ROWS" { (down, across) } else { (across, down) };
                let (row, column) = (block.top + down, block.left + across);
                let (bottom, right) = if block.is_anchor {
                    (sheet.rows.saturating_sub(1), sheet.columns.saturating_sub(1))
                } else {
                    (block.bottom, block.right)
                };
                if row > bottom || column > right {
                    let place = if row > bottom {
                        format!("row [{}]", row + 1)
                    } else {
                        format!("column [{}]", column_name(column))
                    };
                    return Err(invalid(&format!(
                        "Requested writing within range [{}], but tried writing to {place}",
                        block.name(&sheet.title)
                    )));
                }
                match value {
                    // Null does not change the cell.
                    Value::Null => {}
                    Value::String(text) if text.is_empty() => cells.push((row, column, None)),
                    Value::String(text) => cells.push((row, column, Some(enter(text, typed)?))),
                    Value::Array(_) | Value::Object(_) => {
                        return Err(invalid("Invalid values[0][0]: list_value or struct_value"));
                    }
                    other => {
                        let text = other.to_string().to_uppercase();
                        cells.push((row, column, Some(Cell { entered: text.clone(), shown: text })));
                    }
                }
            }
        }
        let columns = cells.iter().map(|(_, column, _)| column - block.left + 1).max().unwrap_or_default();
        if block.is_anchor {
            block.bottom = cells.iter().map(|(row, _, _)| *row).max().unwrap_or(block.top);
            block.right = block.left + columns.saturating_sub(1);
        }
        Ok(Self { sheet: index, block, columns, cells })
    }

    fn apply(self, id: &str, spreadsheet: &mut Spreadsheet) -> Value {
        let Some(sheet) = spreadsheet.sheets.get_mut(self.sheet) else { return Value::Null };
        let rows: std::collections::BTreeSet<usize> = self.cells.iter().map(|(row, _, _)| *row).collect();
        let count = self.cells.len();
        for (row, column, cell) in self.cells {
            match cell {
                Some(cell) => sheet.cells.insert((row, column), cell),
                None => sheet.cells.remove(&(row, column)),
            };
        }
        json!({
            "spreadsheetId": id,
            "updatedRange": self.block.name(&sheet.title),
            "updatedRows": rows.len(),
            "updatedColumns": self.columns,
            "updatedCells": count,
        })
    }
}

/// A text that is typed into a cell, or put there unchanged.
fn enter(text: &str, typed: bool) -> Result<Cell, Refusal> {
    let shown = if !typed {
        text.to_owned()
    } else if text.starts_with('=') {
        hyperlink(text)
            .ok_or_else(|| Unexpected::new("a formula that is no HYPERLINK with two texts").into_response())?
    } else {
        // An apostrophe makes a text of what would be something else.
        text.strip_prefix('\'').unwrap_or(text).to_owned()
    };
    Ok(Cell { entered: text.to_owned(), shown })
}

/// The label of `=HYPERLINK("url","label")`.
fn hyperlink(formula: &str) -> Option<String> {
    let arguments = formula.strip_prefix("=HYPERLINK(\"")?.strip_suffix("\")")?;
    let (_, label) = arguments.split_once("\",\"")?;
    Some(label.replace("\"\"", "\""))
}
