//! `jobctl`.

fn main() {}
