//! Who may do what: API keys, their rights and limits, and the secrets of signatures. Decisions alone; where keys are
//! kept and how a request brings one is not known here.

mod judge;
mod key;
mod limit;
mod master;
mod name;
mod record;
mod signing;

pub use judge::{Grant, Refusal, Superseded, admit};
pub use key::{ApiKey, KeyId, MalformedHash, MalformedKeyId, SecretHash};
pub use limit::{
    Allowance, BURST_MAX, FullAt, RATE_PER_SECOND_MAX, RateLimit, SLICE_LIFE, Spend, Standing,
    Taken, plain_addition, take, take_enough,
};
pub use master::{MalformedMasters, MasterId, MasterSecrets, Purpose};
pub use name::{KEY_NAME_CHARACTERS_MAX, is_key_name};
pub use record::{
    AllowedIps, GRACE_DEFAULT, GRACE_MAX, KeyRecord, KeyRules, KeyVersion, LIVE_VERSIONS_MAX,
    Scope, Senders, TooManyVersions,
};
pub use signing::{SigningRecord, SigningVersion};

#[cfg(test)]
mod tests;
