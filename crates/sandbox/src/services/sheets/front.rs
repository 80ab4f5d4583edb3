//! Sign-in, permissions and quota of the spreadsheets, and their routes.

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::{Request, State as AxumState},
    http::{HeaderMap, Method, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    mask::Mask,
    model::{Sheet, Spreadsheet, State},
    refusal::{Refusal, invalid},
    requests, values,
};
use crate::{
    unexpected::Unexpected,
    world::{Shared, World},
};

const BODY_LIMIT: usize = 10 * 1024 * 1024;
const READ_SCOPES: [&str; 4] = [
    "https://www.googleapis.com/auth/spreadsheets",
    "https://www.googleapis.com/auth/spreadsheets.readonly",
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/drive.readonly",
];
const WRITE_SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive"];
/// Parameters that are understood.
const PARAMETERS: [&str; 13] = [
    "alt",
    "dateTimeRenderOption",
    "fields",
    "includeGridData",
    "includeValuesInResponse",
    "insertDataOption",
    "majorDimension",
    "prettyPrint",
    "ranges",
    "responseDateTimeRenderOption",
    "responseValueRenderOption",
    "valueInputOption",
    "valueRenderOption",
];

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().fallback(front)
}

/// What was asked.
pub(super) struct Ask {
    /// Parameters in order.
    pub(super) query: Vec<(String, String)>,
    /// The body; null without one.
    pub(super) body: Value,
}

impl Ask {
    /// The last value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An operation on a spreadsheet.
enum Operation {
    Get,
    BatchUpdate,
    GetValues(String),
    BatchGetValues,
    UpdateValues(String),
    AppendValues(String),
    ClearValues(String),
    BatchUpdateValues,
}

impl Operation {
    fn of(method: &Method, path: &str) -> Option<(String, Self)> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (get, post, put) = (method == Method::GET, method == Method::POST, method == Method::PUT);
        let (id, operation) = match parts.as_slice() {
            ["v4", "spreadsheets", id] if get => (*id, Self::Get),
            ["v4", "spreadsheets", id] if post => (id.strip_suffix(":batchUpdate")?, Self::BatchUpdate),
            ["v4", "spreadsheets", id, "values:batchGet"] if get => (*id, Self::BatchGetValues),
            ["v4", "spreadsheets", id, "values:batchUpdate"] if post => (*id, Self::BatchUpdateValues),
            ["v4", "spreadsheets", id, "values", range] if get => (*id, Self::GetValues(decode(range))),
            ["v4", "spreadsheets", id, "values", range] if put => (*id, Self::UpdateValues(decode(range))),
            ["v4", "spreadsheets", id, "values", range] if post => {
                let range = decode(range);
                match (range.strip_suffix(":append"), range.strip_suffix(":clear")) {
                    (Some(range), _) => (*id, Self::AppendValues(range.to_owned())),
                    (_, Some(range)) => (*id, Self::ClearValues(range.to_owned())),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some((decode(id), operation))
    }

    fn writes(&self) -> bool {
        !matches!(self, Self::Get | Self::GetValues(_) | Self::BatchGetValues)
    }
}

async fn front(AxumState(world): AxumState<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return invalid("Request payload size exceeds the limit: 10485760 bytes.").into_response();
    };
    let Some((id, operation)) = Operation::of(&head.method, head.uri.path()) else {
        return Unexpected::new(format!("{} {}", head.method, head.uri.path())).into_response();
    };
    let query: Vec<(String, String)> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    if let Some((name, _)) = query.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        return Unexpected::new(format!("parameter {name}")).into_response();
    }
    answer(&world, &head.headers, &id, &operation, query, &body).unwrap_or_else(IntoResponse::into_response)
}

fn answer(
    world: &World,
    headers: &HeaderMap,
    id: &str,
    operation: &Operation,
    query: Vec<(String, String)>,
    body: &Bytes,
) -> Result<Response, Refusal> {
    let scopes: &[&str] = if operation.writes() { &WRITE_SCOPES } else { &READ_SCOPES };
    let account = world.google_oauth.lock().authorize(headers, scopes)?.account;
    let ask = Ask { query, body: parse_body(headers, body)? };
    let mut state = world.sheets.lock();
    state.count(&account, operation.writes(), world.clock.now())?;
    let spreadsheet = State::open(&mut state, id, &account, operation.writes())?;
    let value = match operation {
        Operation::Get => get(id, spreadsheet, &ask)?,
        Operation::BatchUpdate => requests::apply(id, spreadsheet, &ask.body)?,
        Operation::GetValues(range) => values::read(spreadsheet, range, &ask)?,
        Operation::BatchGetValues => values::batch_read(id, spreadsheet, &ask)?,
        Operation::UpdateValues(range) => values::update(id, spreadsheet, range, &ask)?,
        Operation::AppendValues(range) => values::append(id, spreadsheet, range, &ask)?,
        Operation::ClearValues(range) => values::clear(id, spreadsheet, range)?,
        Operation::BatchUpdateValues => values::batch_update(id, spreadsheet, &ask)?,
    };
    Ok(Json(masked(value, ask.parameter("fields"))?).into_response())
}

fn parse_body(headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(invalid("Invalid JSON payload received. Unexpected token."));
    }
    serde_json::from_slice(body).map_err(|_| invalid("Invalid JSON payload received. Unexpected token."))
}

fn masked(value: Value, fields: Option<&str>) -> Result<Value, Refusal> {
    let Some(fields) = fields else { return Ok(value) };
    let wrong = |name: &str| {
        invalid(&format!("Request contains an invalid argument: Invalid field selection {name}"))
    };
    Mask::parse(fields).ok_or_else(|| wrong(fields))?.select(&value).map_err(|name| wrong(&name))
}

fn get(id: &str, spreadsheet: &Spreadsheet, ask: &Ask) -> Result<Value, Refusal> {
    if ask.parameter("includeGridData") == Some("true") || ask.parameter("ranges").is_some() {
        return Err(Unexpected::new("grid data of a spreadsheet").into_response().into());
    }
    Ok(view(id, spreadsheet))
}

/// The spreadsheet without its cells.
pub(super) fn view(id: &str, spreadsheet: &Spreadsheet) -> Value {
    let sheets: Vec<Value> = (0..)
        .zip(&spreadsheet.sheets)
        .map(|(index, sheet)| json!({"properties": properties(index, sheet)}))
        .collect();
    json!({
        "spreadsheetId": id,
        "properties": {
            "title": spreadsheet.title,
            "locale": "en_US",
            "autoRecalc": "ON_CHANGE",
            "timeZone": "Etc/GMT",
        },
        "sheets": sheets,
        "spreadsheetUrl": format!("https://docs.google.com/spreadsheets/d/{id}/edit"),
    })
}

/// A sheet's properties.
pub(super) fn properties(index: usize, sheet: &Sheet) -> Value {
    json!({
        "sheetId": sheet.id,
        "title": sheet.title,
        "index": index,
        "sheetType": "GRID",
        "gridProperties": {"rowCount": sheet.rows, "columnCount": sheet.columns},
    })
}

/// Which of `allowed` a parameter or member says; the first one when it says nothing.
pub(super) fn one_of<'a>(name: &str, value: Option<&str>, allowed: &[&'a str]) -> Result<&'a str, Refusal> {
    let found = match value {
        None => allowed.first(),
        Some(value) => allowed.iter().find(|word| **word == value),
    };
    found.copied().ok_or_else(|| {
        let value = value.unwrap_or_default();
        invalid(&format!(
            "Invalid value at '{name}' (type.googleapis.com/google.apps.sheets.v4), \"{value}\""
        ))
    })
}
