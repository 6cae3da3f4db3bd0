//! The whole relay on one machine: the pieces `cargo run` puts together.

pub mod arguments;
pub mod event_source;
pub mod gateway;
pub mod lambda;
pub mod launch;
pub mod metrics;
mod private_file;
pub mod receiver;
mod request_body;
pub mod schedule;
pub mod services;
pub mod sqs;
pub mod stack;
pub mod template;
