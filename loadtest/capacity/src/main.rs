//! Models the deployed relay.

fn main() {}
