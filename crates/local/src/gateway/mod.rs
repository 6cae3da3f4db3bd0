//! The front door on one machine: HTTP in, API Gateway version 2.0 events to the functions, and back.
//!
//! It keeps the limits and answers of an HTTP API. It asks for no signature: authorizers are not
//! simulated, and it listens on loopback only. Paths under `/_local/` are its own.

mod admin;
mod body;
mod cors;
mod event;
mod response;
mod routes;
mod server;

pub use event::Caller;
pub(crate) use routes::decode as percent_decode;
pub use routes::{BadRoute, Routes};
pub use server::{Gateway, GatewayOptions};
