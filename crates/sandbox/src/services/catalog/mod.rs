//! The staging container catalog, under `/catalog-stage` (spec 03 §4.3, §13.4): images by digest and their
//! vulnerabilities; and the public one, under `/catalog`, which knows what was released. Their interface is Pyxis's, filters are RSQL.

mod handlers;
mod model;
#[cfg(test)]
mod tests;

pub(crate) use handlers::{Query, not_found};
pub use handlers::{public_router, router};
pub use model::{GradeWindow, Image, State};
