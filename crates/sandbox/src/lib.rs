//! Simulated external services on one port.

pub mod cli;
pub mod clock;
pub mod connection;
pub mod control;
pub mod credentials;
pub mod environment;
pub mod faults;
pub mod intercept;
pub mod kerberos;
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
    kerberos::Tickets,
    requests::RecordedRequest,
    sandbox::{Options, Sandbox, StartError},
    unexpected::Unexpected,
    world::{Shared, World},
};
