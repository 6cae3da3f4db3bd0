//! Accepts messages over HTTP: the ingest function and everything its routes do.
//!
//! The use cases ([`accept`], [`read`]) know nothing of HTTP and reach the world through the ports of
//! `relay-core`. Only [`mod@run`] knows which services stand behind them.

pub mod accept;
mod access;
pub mod again;
pub mod announcement;
pub mod answers;
pub mod bulk;
mod cancel;
pub mod codes;
mod count;
pub mod destinations;
pub mod event;
mod handlers;
mod keys;
mod many;
pub mod mistakes;
mod object;
pub mod observe;
pub mod openapi;
mod paging;
pub mod plan;
pub mod problem;
pub mod read;
pub mod readiness;
pub mod request;
mod rotation;
mod router;
pub mod run;
mod signing;
pub mod submission;
mod values;

pub use accept::Ports;
pub use object::JSON_DEPTH_MAX;
pub use router::router;
pub use run::{StartError, run};
