//! The spreadsheet of the y-stream 4.14, whose old releases have a worksheet each (spec 01 §6).

use super::google::ACCOUNT;
use crate::{
    services::sheets::{Sheet, Spreadsheet},
    world::World,
};

/// The id that the example configuration names for 4.14.
pub const SPREADSHEET: &str = "1ExampleSpreadsheetForTheReleaseReports_4-14";
/// A release that was done with a worksheet.
pub const OLD_RELEASE: &str = "4.14.58";

/// The values of column A, row by row from 1.
const LABELS: [&str; 27] = [
    "Overall status",
    "Advisories",
    "Candidate builds",
    "ART Jira",
    "",
    "",
    "Task",
    "Take ownership",
    "Bugs to verify",
    "Image consistency check",
    "Nightly build test",
    "Signed build test",
    "Greenwave CVP tests",
    "CVE tracker bugs",
    "Push to CDN staging",
    "Stage testing",
    "Payload image verify",
    "Drop bugs",
    "Change advisory status",
    "",
    "Blocking jobs",
    "Release payload",
    "Candidate payload",
    "",
    "Sippy",
    "Main",
    "Auto release",
];

/// Fills the service.
pub fn load(world: &World) {
    let mut spreadsheet = Spreadsheet::new("4.14 z-stream reports", ["template"]);
    spreadsheet.editors.insert(ACCOUNT.to_owned());
    if let Some(template) = spreadsheet.sheet_mut("template") {
        fill(template);
    }
    // The titles are free in a new spreadsheet, so this cannot fail.
    let _ = spreadsheet.duplicate("template", OLD_RELEASE);
    world.sheets.lock().spreadsheets.insert(SPREADSHEET.to_owned(), spreadsheet);
}

fn fill(sheet: &mut Sheet) {
    for (row, label) in LABELS.iter().enumerate().filter(|(_, label)| !label.is_empty()) {
        sheet.put(row, 0, label);
    }
    sheet.put(0, 1, "Green");
    for row in 7..19 {
        sheet.put(row, 1, "Not Started");
    }
    for (column, label) in
        [(2, "Bug"), (3, "QA contact"), (4, "Status"), (5, "Missed CVE bugs"), (7, "Others")]
    {
        sheet.put(6, column, label);
    }
}
