//! A receiver of webhooks for trying the relay out and for tests: it shows what arrived and can be told
//! by the path to fail, stall, redirect or answer any status.
//!
//! It checks no signature and keeps nothing on disk.

mod behaviour;
mod body;
mod server;
mod store;

pub use server::Receiver;
pub use store::Received;
