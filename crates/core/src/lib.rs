//! What a message is and what happens to it next.
//!
//! Everything here is a value or a decision: no I/O, no clock, no randomness, no environment, no
//! async runtime. Time and chance come in as arguments, and the outside world is reached through the
//! traits in [`ports`], which name no vendor.

pub mod access;
pub mod attempt;
pub mod body;
pub mod breaker;
pub mod decide;
pub mod destination;
pub mod envelope;
pub mod fingerprint;
pub mod headers;
mod hexadecimal;
pub mod identity;
pub mod invariants;
pub mod json_text;
pub mod lifecycle;
pub mod logs;
pub mod message;
pub mod metrics;
pub mod outcome;
pub mod ports;
pub mod printable;
pub mod reconcile;
pub mod retry;
pub mod settings;
pub mod signature;
pub mod time;
pub mod trace;
pub mod upload;
