//! One file, every program.

fn main() {}
