//! Composite operations over several clients. They decide what a release needs; they never build URLs and know no
//! StateBox.

pub mod approval;
pub mod bugs;
pub mod cve;
pub mod drop_bugs;
pub mod failures;
pub mod image_health;
pub mod ownership;
pub mod release_signature;
pub mod shipment;
pub mod shipped;
pub mod staging;
pub mod worksheet;
