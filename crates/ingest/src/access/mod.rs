//! Who is let in: what every request passes before its route. Whether a key is good, what it may do and what a bucket
//! gives are core's decisions; here are the headers that bring a key and the memory that makes it cheap.

mod credentials;
mod denied;
mod guard;
mod limits;
mod needs;
mod remembered;
mod say;
mod signed;

use relay_core::access::KeyId;

pub(crate) use guard::{Guard, SpentMore, guard};
pub(crate) use needs::{Needs, NeedsOf, Routes};
pub(crate) use remembered::Remembered;

/// The key that a request came with; an extension of the answer, for the log.
#[derive(Debug, Clone)]
pub(crate) struct KeyUsed(pub(crate) KeyId);
