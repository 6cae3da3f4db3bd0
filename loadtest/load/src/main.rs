//! Loads the relay.

fn main() {}
