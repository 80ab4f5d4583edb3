//! The staging container catalog, under `/catalog-stage` (spec 03 §4.3, §13.4): images by digest and their
//! vulnerabilities. Its interface is Pyxis's, filters are RSQL.

mod handlers;
mod model;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub(crate) use handlers::{Query, not_found};
pub use model::{GradeWindow, Image, State};
