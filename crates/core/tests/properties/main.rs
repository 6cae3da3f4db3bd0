//! What holds for every input of the core's readers, and for every order of its decisions: whatever a
//! client, a target, a queue or an operator writes, it is read or refused, and never more than that.
//!
//! Single cases with a name stand beside the code; here are the rules that no case may break. Every run
//! draws the same cases. `PROPTEST_CASES` asks for more of them, `PROPTEST_RNG_SEED` for others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking, and its name says what it is about"
)]

mod attempts;
mod destinations;
mod envelopes;
mod headers;
mod keys;
mod limits;
mod lives;
mod mutation;
mod names;
mod settings;
mod signatures;
mod waits;

use proptest::test_runner::{Config, RngSeed};

/// What the cases of a run are drawn from, unless `PROPTEST_RNG_SEED` says otherwise: a test that failed
/// for somebody fails for everybody.
const SEED: u64 = 20_261_121;

/// The same cases in every run, and no file written when one fails.
pub(crate) fn config() -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        chosen @ RngSeed::Fixed(_) => chosen,
    };
    Config { rng_seed, failure_persistence: None, ..given }
}

/// Some times as many cases, for properties whose cases are quickly tried.
pub(crate) fn more(times: u32) -> Config {
    let config = config();
    Config { cases: config.cases.saturating_mul(times), ..config }
}
