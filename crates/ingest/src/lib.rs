//! Accepts messages over HTTP: the ingest function and everything its routes do.
//!
//! The use cases ([`accept`], [`read`]) know nothing of HTTP and reach the world through the ports of
//! `relay-core`. Only [`mod@run`] knows which services stand behind them.

pub mod accept;
pub mod again;
pub mod announcement;
pub mod answers;
pub mod codes;
pub mod destinations;
pub mod event;
mod handlers;
pub mod mistakes;
mod object;
pub mod observe;
pub mod openapi;
pub mod plan;
pub mod problem;
pub mod read;
pub mod readiness;
pub mod request;
mod router;
pub mod run;
pub mod submission;

pub use accept::Ports;
pub use object::JSON_DEPTH_MAX;
pub use router::router;
pub use run::{StartError, run};
