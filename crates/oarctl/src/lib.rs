//! The `oarctl` command line.
