//! The `oar` command line.
