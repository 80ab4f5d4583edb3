//! `oarctl`.

fn main() {}
