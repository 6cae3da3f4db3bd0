//! One HTTP call to a target, safely: only to addresses that were judged, without redirects, proxies or
//! cookies, within one deadline, reading no more of the answer than a little.

mod client;
mod failure;
mod resolver;
mod trust;

pub use client::{HttpSender, SenderError};
pub use resolver::{Lookup, PreflightError, SystemLookup, preflight};
