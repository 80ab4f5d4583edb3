//! The API server of the CI cluster, under `/kube` (spec 04 §2.6, §11): release payload objects, which follow the
//! release controllers' streams, and leases.

mod front;
mod handlers;
mod labels;
mod lease;
mod model;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub use model::{Account, Kind, Object, State};
