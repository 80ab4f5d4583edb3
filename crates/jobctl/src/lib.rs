//! The `jobctl` command line.
