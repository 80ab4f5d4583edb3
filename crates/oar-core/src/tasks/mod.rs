//! The commands' work, one file each; both flows are visible in it.

pub mod create_test_report;
mod health;
mod services;
pub mod status;
pub mod take_ownership;

pub use services::Services;
