//! Google Sheets, version 4: the worksheet of a release, in few requests (spec 01 §6.5).
//!
//! All ranges of cells are read with one request and written with one; the Python tooling sends one for each
//! cell (spec 01 §8 W2).

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::clients::google::ServiceAccount;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Repeat, Reply, join, join_segments};
use crate::permit::WritePermit;
use crate::service::Service;

/// A sheet of a spreadsheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worksheet {
    /// The spreadsheet's id.
    pub spreadsheet: String,
    /// The sheet's title: the release.
    pub title: String,
    /// The sheet's address.
    pub url: String,
}

impl Worksheet {
    /// `cells` of this sheet in A1 notation.
    fn range(&self, cells: &str) -> String {
        format!("'{}'!{cells}", self.title.replace('\'', "''"))
    }
}

/// New values of a range of cells, row by row, as a person would type them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellWrite {
    /// The range in A1 notation, without the sheet: `C8:E10`.
    pub cells: String,
    /// Its values.
    pub values: Vec<Vec<String>>,
}

impl CellWrite {
    /// A write of one cell.
    pub fn one(cell: impl Into<String>, value: impl Into<String>) -> Self {
        Self { cells: cell.into(), values: vec![vec![value.into()]] }
    }
}

/// The displayed values of a range, row by row, without trailing empty cells and rows.
pub type Rows = Vec<Vec<String>>;

/// Reads and writes worksheets. Cheap to clone.
#[derive(Clone)]
pub struct SheetsClient {
    account: ServiceAccount,
    base: Arc<Url>,
}

impl fmt::Debug for SheetsClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SheetsClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl SheetsClient {
    /// A client of the Google Sheets at `base`, signed in as `account`.
    pub fn new(account: ServiceAccount, base: Url) -> Self {
        Self { account, base: Arc::new(base) }
    }

    /// The sheet with this title; `None` when the spreadsheet has none (one request).
    ///
    /// A spreadsheet that does not exist is [`ServiceErrorKind::NotFound`].
    pub async fn worksheet(&self, spreadsheet: &str, title: &str) -> Result<Option<Worksheet>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "spreadsheetUrl", default)]
            url: Option<String>,
            sheets: Option<Vec<Sheet>>,
        }
        // Google leaves out what is empty or zero.
        #[derive(Deserialize)]
        struct Sheet {
            properties: Option<Properties>,
        }
        #[derive(Deserialize)]
        struct Properties {
            #[serde(rename = "sheetId")]
            id: Option<u64>,
            title: Option<String>,
        }
        let mut url = join_segments(&self.base, ["v4", "spreadsheets", spreadsheet]);
        url.query_pairs_mut().append_pair("fields", "spreadsheetUrl,sheets.properties(sheetId,title)");
        let call = Call::get(Service::GoogleSheets, "look for the worksheet", url).about(title);
        let answer: Answer = self.send(call).await?.json()?;
        let base = answer
            .url
            .unwrap_or_else(|| format!("https://docs.google.com/spreadsheets/d/{spreadsheet}/edit"));
        let mut sheets = answer.sheets.unwrap_or_default().into_iter().filter_map(|sheet| sheet.properties);
        let found = sheets.find(|sheet| sheet.title.as_deref() == Some(title));
        Ok(found.map(|sheet| Worksheet {
            spreadsheet: spreadsheet.to_owned(),
            title: title.to_owned(),
            url: format!("{base}#gid={}", sheet.id.unwrap_or_default()),
        }))
    }

    /// The displayed values of the ranges, in their order (one request).
    pub async fn read(&self, sheet: &Worksheet, blocks: &[&str]) -> Result<Vec<Rows>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "valueRanges")]
            ranges: Option<Vec<Range>>,
        }
        // Google leaves out trailing empty rows and cells.
        #[derive(Deserialize)]
        struct Range {
            values: Option<Vec<Option<Vec<Value>>>>,
        }
        let mut url = self.values(sheet, "batchGet");
        for block in blocks {
            url.query_pairs_mut().append_pair("ranges", &sheet.range(block));
        }
        let call = Call::get(Service::GoogleSheets, "read the worksheet", url).about(&sheet.title);
        let reply = self.send(call).await?;
        let answer: Answer = reply.json()?;
        let ranges = answer.ranges.unwrap_or_default();
        if ranges.len() != blocks.len() {
            return Err(reply.failure(ServiceErrorKind::Malformed, "not the ranges that were asked for"));
        }
        let text = |cell: Value| match cell {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let rows = |range: Range| -> Rows {
            let rows = range.values.unwrap_or_default().into_iter().map(Option::unwrap_or_default);
            rows.map(|row| row.into_iter().map(text).collect()).collect()
        };
        Ok(ranges.into_iter().map(rows).collect())
    }

    /// Writes all ranges or none (one request; no request when there is nothing to write).
    ///
    /// After [`ServiceErrorKind::Unclear`] the caller reads the cells; a blind repetition could undo what a
    /// person typed in between.
    pub async fn write(
        &self,
        sheet: &Worksheet,
        writes: &[CellWrite],
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        if writes.is_empty() {
            return Ok(());
        }
        let data: Vec<Value> = writes
            .iter()
            .map(|write| json!({ "range": sheet.range(&write.cells), "values": write.values }))
            .collect();
        let body = json!({ "valueInputOption": "USER_ENTERED", "data": data });
        let url = self.values(sheet, "batchUpdate");
        let call = Call::new(Service::GoogleSheets, "write the worksheet", Method::POST, url)
            .about(&sheet.title)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_string())
            .repeat(Repeat::OnlyWhenRefused)
            .permitted(permit);
        let reply = self.send(call).await?;
        // Any other success may come from a proxy whose service never saw the write.
        let answer: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let written = answer.as_ref().and_then(|answer| answer.get("spreadsheetId")?.as_str());
        if written == Some(sheet.spreadsheet.as_str()) {
            return Ok(());
        }
        Err(reply.failure(ServiceErrorKind::Unclear, "not the answer to a write"))
    }

    fn values(&self, sheet: &Worksheet, operation: &str) -> Url {
        let spreadsheet = join_segments(&self.base, ["v4", "spreadsheets", &sheet.spreadsheet]);
        join(&spreadsheet, &format!("values:{operation}"))
    }

    async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        let reply = self.account.send(call).await?;
        reply.success(words).map_err(|error| match error.kind {
            ServiceErrorKind::Forbidden if error.detail.contains("API") => error.with_hint(
                "The Google Sheets API may be switched off in the account's project: whoever manages the project switches \
                 it on.",
            ),
            ServiceErrorKind::Forbidden => error.with_hint(
                "Share the spreadsheet, for editing, with the service account: its address is `client_email` in the \
                 key file. Without GCP_SA_FILE no worksheet is looked for.",
            ),
            ServiceErrorKind::NotFound => error.with_hint(
                "Check the spreadsheet's id in report_templates of the configuration document.",
            ),
            _ => error,
        })
    }
}

/// Google's error message: `error.message`.
fn words(reply: &Reply) -> String {
    let answer: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let message = answer.as_ref().and_then(|answer| answer.get("error")?.get("message")?.as_str());
    message.map_or_else(|| reply.words(), str::to_owned)
}
