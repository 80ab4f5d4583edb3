//! The `job` command line.
