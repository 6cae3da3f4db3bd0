//! Measures the relay against the bare limit.

fn main() {}
