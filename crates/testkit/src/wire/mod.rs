//! Faults on the wire: a proxy in front of one of the services that the relay calls, which answers with
//! the errors that the service really gives, is slow, resets connections, and loses or cuts the answers
//! to calls that were done.
//!
//! It changes nothing about a request, not even the host it names, so signatures stay whole. A request
//! with its signature in the address comes from a person with a link, not from the relay: it is passed
//! on and never counted. It speaks HTTP/1.1 on loopback only.

mod call;
mod counts;
mod cut;
mod fault;
mod faults;
mod proxy;
mod service;

pub use counts::{Counts, OperationCounts};
pub use fault::{Fault, FaultKind, Rule, Shares};
pub use faults::Faults;
pub use proxy::{Proxy, listen};
pub use service::{ErrorAnswer, Service};
