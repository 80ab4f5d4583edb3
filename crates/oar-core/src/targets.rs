//! Targets of log lines that are treated otherwise than the course of the work.

/// Whom a request waits for: said while it lasts, and recorded nowhere. An empty line ends it.
pub const WAITING_TARGET: &str = "oar_core::waiting";

/// The traffic with services where it is worth a line in the log; a state does not keep it.
pub const TRAFFIC_TARGET: &str = "oar_core::traffic";

/// What a person must be able to read later, also where the log is not shown.
pub const LASTING_TARGET: &str = "oar_core::lasting";
