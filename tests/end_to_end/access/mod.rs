//! Who is let in, seen from outside: keys, scopes, senders, addresses, signatures, rotation and limits.

mod examples;
mod holder;
mod keys;
mod limits;
mod rotation;
mod signatures;
