//! Targets and spans of log lines that are handled differently from ordinary ones.

/// What a request is waiting for: shown while it lasts, and not recorded. An empty line ends it.
pub const WAITING_TARGET: &str = "oar_core::waiting";

/// Requests to services; logged, but not stored in the StateBox.
pub const TRAFFIC_TARGET: &str = "oar_core::traffic";

/// Lines that a person must be able to read later, even when the log is not shown.
pub const LASTING_TARGET: &str = "oar_core::lasting";

/// The span around a command that is run for somebody else than the person at the terminal. Its one field is the name that its log
/// lines begin with.
pub const COMMAND_SPAN: &str = "command";
