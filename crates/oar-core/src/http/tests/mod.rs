//! Every branch of the stack against real sockets.

mod certificates;
mod faults;
mod limits;
mod proxy;
pub(crate) mod support;
mod waits;
