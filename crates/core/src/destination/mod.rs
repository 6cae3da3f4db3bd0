//! Where the relay may send: URLs it takes, addresses it connects to, and the operator's exceptions.
//!
//! The same judgement is passed three times: on the URL when a message is accepted, on every address a
//! name resolves to before a connection is made, and on the peer of the connection that was made.

mod address;
mod allow;
mod policy;
mod target;

pub use address::is_public;
pub use allow::{AllowList, MalformedAllowEntry};
pub use policy::{DestinationPolicy, Refusal, fully_qualified};
pub use target::{Method, TARGET_CHARACTERS_MAX, Target, TargetError, UnknownMethod};
