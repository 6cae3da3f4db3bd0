//! The ingest API as a client meets it: the real router over the ports in memory, with faults where a
//! test asks for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking, and its name says what it is about"
)]

mod accepting;
mod access;
mod again;
mod bodies;
mod bulk;
mod content_rules;
mod counts;
mod destinations;
mod documents;
mod events;
mod faults;
mod fuzz;
mod health;
mod interrupted;
mod lean;
mod reading;
mod relay;
mod retained;
mod routes;
mod untrusted;
mod uploads;
mod validation;
