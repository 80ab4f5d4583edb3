//! Composite operations over several clients. They decide what a release needs. They never build URLs, and of the
//! StateBox they use its words alone, such as [`TaskName`](crate::statebox::TaskName).

pub mod approval;
pub mod bugs;
pub mod cve;
pub mod doctor;
pub mod drop_bugs;
pub mod failures;
pub mod image_consistency;
pub mod image_health;
pub mod ownership;
pub mod release_signature;
pub mod shipment;
pub mod shipped;
pub mod staging;
pub mod worksheet;
