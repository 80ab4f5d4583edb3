//! `job`.

fn main() {}
