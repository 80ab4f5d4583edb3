//! `spreadsheets.batchUpdate`: changes of sheets, all or nothing.

use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::{
    front::properties,
    model::{Cell, Sheet, Spreadsheet},
    refusal::{Refusal, invalid},
};
use crate::unexpected::Unexpected;

/// Applies the requests in their order; a refused one undoes those before it.
pub(super) fn apply(id: &str, spreadsheet: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let requests = body.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    if requests.is_empty() {
        return Err(invalid("Must specify at least one request."));
    }
    let mut changed = spreadsheet.clone();
    let mut replies = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let Some((kind, request)) = request.as_object().and_then(|members| members.iter().next()) else {
            return Err(invalid("Invalid requests[0]: No request set."));
        };
        let wrong = |words: String| invalid(&format!("Invalid requests[{index}].{kind}: {words}"));
        let reply = match kind.as_str() {
            "duplicateSheet" => duplicate(&mut changed, request).map_err(wrong)?,
            "addSheet" => add(&mut changed, request).map_err(wrong)?,
            "updateSheetProperties" => rename(&mut changed, request).map_err(wrong)?,
            "deleteSheet" => delete(&mut changed, request).map_err(wrong)?,
            "updateCells" => update_cells(&mut changed, request).map_err(wrong)?,
            other => return Err(Unexpected::new(format!("request {other}")).into_response().into()),
        };
        replies.push(reply);
    }
    *spreadsheet = changed;
    Ok(json!({"spreadsheetId": id, "replies": replies}))
}

fn number(request: &Value, path: &str) -> Option<u64> {
    request.pointer(path).and_then(Value::as_u64)
}

fn place(spreadsheet: &Spreadsheet, id: u64) -> Result<usize, String> {
    let found = spreadsheet.sheets.iter().position(|sheet| sheet.id == id);
    found.ok_or_else(|| format!("No sheet with id: {id}"))
}

fn free(spreadsheet: &Spreadsheet, title: &str) -> Result<(), String> {
    if spreadsheet.sheet(title).is_none() {
        return Ok(());
    }
    Err(format!("A sheet with the name \"{title}\" already exists. Please enter another name."))
}

/// Puts `sheet` where the request wants it, and answers its properties.
fn insert(spreadsheet: &mut Spreadsheet, sheet: Sheet, at: Option<u64>) -> Value {
    let last = spreadsheet.sheets.len();
    let index = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(last).min(last);
    let view = properties(index, &sheet);
    spreadsheet.sheets.insert(index, sheet);
    json!({"properties": view})
}

fn duplicate(spreadsheet: &mut Spreadsheet, request: &Value) -> Result<Value, String> {
    let source = place(spreadsheet, number(request, "/sourceSheetId").unwrap_or_default())?;
    let mut copy = spreadsheet.sheets.get(source).cloned().ok_or("no sheet")?;
    copy.id = number(request, "/newSheetId").unwrap_or_else(|| spreadsheet.free_id());
    copy.title = match request.get("newSheetName").and_then(Value::as_str) {
        Some(title) => title.to_owned(),
        None => format!("Copy of {}", copy.title),
    };
    free(spreadsheet, &copy.title)?;
    if place(spreadsheet, copy.id).is_ok() {
        return Err(format!("A sheet with id {} already exists. Please use another id.", copy.id));
    }
    let at = number(request, "/insertSheetIndex").unwrap_or(source as u64 + 1);
    Ok(json!({"duplicateSheet": insert(spreadsheet, copy, Some(at))}))
}

fn add(spreadsheet: &mut Spreadsheet, request: &Value) -> Result<Value, String> {
    let title = request.pointer("/properties/title").and_then(Value::as_str);
    let title = title.map_or_else(|| format!("Sheet{}", spreadsheet.sheets.len() + 1), str::to_owned);
    free(spreadsheet, &title)?;
    let mut sheet = Sheet::new(spreadsheet.free_id(), &title);
    let size = |path: &str| number(request, path).and_then(|size| usize::try_from(size).ok());
    sheet.rows = size("/properties/gridProperties/rowCount").unwrap_or(sheet.rows);
    sheet.columns = size("/properties/gridProperties/columnCount").unwrap_or(sheet.columns);
    Ok(json!({"addSheet": insert(spreadsheet, sheet, number(request, "/properties/index"))}))
}

fn rename(spreadsheet: &mut Spreadsheet, request: &Value) -> Result<Value, String> {
    let index = place(spreadsheet, number(request, "/properties/sheetId").unwrap_or_default())?;
    if request.get("fields").and_then(Value::as_str) != Some("title") {
        return Err("only the field title is simulated".to_owned());
    }
    let title = request.pointer("/properties/title").and_then(Value::as_str).unwrap_or_default();
    free(spreadsheet, title)?;
    if let Some(sheet) = spreadsheet.sheets.get_mut(index) {
        title.clone_into(&mut sheet.title);
    }
    Ok(json!({}))
}

fn delete(spreadsheet: &mut Spreadsheet, request: &Value) -> Result<Value, String> {
    let index = place(spreadsheet, number(request, "/sheetId").unwrap_or_default())?;
    if spreadsheet.sheets.len() == 1 {
        return Err("You can't remove all the sheets in a document.".to_owned());
    }
    spreadsheet.sheets.remove(index);
    Ok(json!({}))
}

/// Texts with links inside; the formatting itself is not kept.
fn update_cells(spreadsheet: &mut Spreadsheet, request: &Value) -> Result<Value, String> {
    let (sheet, row, column) = if request.get("range").is_some() {
        ("/range/sheetId", "/range/startRowIndex", "/range/startColumnIndex")
    } else {
        ("/start/sheetId", "/start/rowIndex", "/start/columnIndex")
    };
    let at = |path: &str| number(request, path).and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
    let (top, left) = (at(row), at(column));
    let index = place(spreadsheet, number(request, sheet).unwrap_or_default())?;
    let Some(sheet) = spreadsheet.sheets.get_mut(index) else { return Err("no sheet".to_owned()) };
    let rows = request.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (down, row) in rows.iter().enumerate() {
        let values = row.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (across, value) in values.iter().enumerate() {
            let text = value.pointer("/userEnteredValue/stringValue").and_then(Value::as_str);
            let text = text.ok_or("only stringValue is simulated")?;
            let length = text.encode_utf16().count() as u64;
            let runs = value.get("textFormatRuns").and_then(Value::as_array).map(Vec::as_slice);
            for run in runs.unwrap_or_default() {
                if number(run, "/startIndex").unwrap_or_default() >= length {
                    return Err(
                        "TextFormatRun.startIndex must be less than the length of the text".to_owned()
                    );
                }
            }
            let cell = Cell { entered: text.to_owned(), shown: text.to_owned() };
            sheet.cells.insert((top + down, left + across), cell);
        }
    }
    Ok(json!({}))
}
