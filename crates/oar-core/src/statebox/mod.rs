//! The StateBox: one YAML file per release that holds what was done, and the only way to change it.

pub mod yaml;
