//! Google Sheets, version 4, under `/sheets` (spec 01 §6.5): spreadsheets with sheets of typed-in cells.

mod front;
mod mask;
mod model;
mod range;
mod refusal;
mod requests;
#[cfg(test)]
mod tests;
mod values;

pub use front::router;
pub use model::{Cell, Sheet, Spreadsheet, State};
