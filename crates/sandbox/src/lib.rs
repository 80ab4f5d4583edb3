//! Simulated external services on one port.

pub mod clock;
pub mod connection;
pub mod control;
pub mod credentials;
mod environment;
pub mod faults;
pub mod intercept;
pub mod requests;
mod sandbox;
pub mod scenario;
pub mod services;
#[cfg(test)]
mod testing;
pub mod unexpected;
pub mod world;

pub use crate::{
    clock::ClockStart,
    faults::{Fault, FaultKind},
    requests::RecordedRequest,
    sandbox::{Options, Sandbox, StartError},
    unexpected::Unexpected,
    world::{Shared, World},
};
