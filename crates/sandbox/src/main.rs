//! `oar-sandbox`.

fn main() {}
