//! `oar`.

fn main() {}
