//! The AWS services of the local stack besides the queue server: DynamoDB, S3 and Secrets Manager, each
//! on a loopback port, and the record of who called what that all of them keep.
//!
//! They are spoken to by the real SDK, so their callers run the code that is deployed. They prove
//! behaviour and counts, never the speed of AWS. Nothing here listens on anything but 127.0.0.1.

pub mod dynamodb;
pub(crate) mod http;
pub mod record;
pub mod s3;
pub mod secrets_manager;

pub use self::http::bind;

/// The secret key that goes with every access key id of the local stack. The id alone tells callers
/// apart; S3 checks signatures with this secret, so that signed lengths and digests are held to.
pub const SECRET_ACCESS_KEY: &str = "local-stack-secret";
