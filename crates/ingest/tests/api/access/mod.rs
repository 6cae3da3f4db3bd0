//! Who is let in, as a client meets it.

mod addresses;
mod cost;
mod faults;
mod headers;
pub(crate) mod holder;
mod limits;
mod lists;
pub(crate) mod log;
mod manage;
mod refused;
mod replays;
mod rotation;
mod scopes;
mod senders;
mod signatures;
mod signing;
mod untrusted;
