//! The front door on one machine: HTTP in, API Gateway version 2.0 events to the functions, and back.
//!
//! It keeps what decides over a request on an HTTP API: routes, CORS, the forms of events and answers,
//! the limits of sizes and of an integration's time. It does not keep the limits of header sizes and
//! request rates, nor stages, domains and access logs. Authorizers are not simulated: the functions
//! ask for API keys themselves. It listens on loopback only. Paths under `/_local/` and
//! `/metrics` are its own: see `admin`.

mod admin;
mod body;
mod connections;
mod cors;
mod event;
mod measured;
mod response;
mod routes;
mod server;

pub use event::Caller;
pub(crate) use routes::decode as percent_decode;
pub use routes::{BadRoute, Routes};
pub use server::{Gateway, GatewayOptions};
