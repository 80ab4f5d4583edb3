//! Jenkins, under `/jenkins` (spec 03 §7, §13.2): folders, a crumb issuer, a queue that advances by the sandbox's clock,
//! builds with scripted results.

mod front;
mod handlers;
mod model;
#[cfg(test)]
mod tests;
mod tree;
mod views;

pub use front::{first_page, router};
pub use model::{Account, Build, Crumbs, Item, Job, State, Visible};
