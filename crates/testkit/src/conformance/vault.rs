//! What every keeper of the master secrets must do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::access::{MasterId, MasterSecrets};
use relay_core::ports::Vault;

use super::{Case, cases};

/// A vault under test, whose content and clock a test sets.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The vault.
    fn vault(&self) -> &dyn Vault;
    /// Keeps these master secrets from now on: a JSON object, as [`MasterSecrets::parse`] takes it.
    async fn set(&self, json: &str);
    /// Lets time pass.
    fn advance(&self, step: Duration);
}

/// A vault of its own for each case.
pub type Subject = Arc<dyn Bench>;

/// After this an answer may not be an old one: the "some minutes" of the contract.
const MINUTES: Duration = Duration::from_secs(10 * 60);
/// And this are its "some seconds".
const SECONDS: Duration = Duration::from_secs(60);

/// Every case.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        the_master_secrets_are_those_that_were_put_there,
        a_change_counts_after_some_minutes,
        a_master_secret_that_is_wanted_and_not_known_is_found_after_some_seconds,
        one_that_is_wanted_and_nowhere_is_no_error,
        one_that_was_taken_out_is_gone_after_some_minutes,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all<Making>(make: impl Fn(&'static str) -> Making)
where
    Making: Future<Output = Subject>,
{
    super::run(all(), make).await;
}

/// Master secrets of these names, the first of them current.
fn json(names: &[&str]) -> String {
    let entries = names.iter().map(|name| format!(r#","{name}":"{}""#, name.repeat(64)));
    format!(r#"{{"current":"{}"{}}}"#, names[0], entries.collect::<String>())
}

fn masters(names: &[&str]) -> MasterSecrets {
    MasterSecrets::parse(&json(names)).unwrap()
}

/// The name of a master secret, as a record would bring it.
fn id(name: &str) -> MasterId {
    masters(&[name]).current().clone()
}

async fn the_master_secrets_are_those_that_were_put_there(bench: Subject) {
    bench.set(&json(&["a", "b"])).await;
    for wanted in [None, Some(id("a")), Some(id("b"))] {
        assert_eq!(bench.vault().masters(wanted.as_ref()).await, Ok(masters(&["a", "b"])));
    }
}

async fn a_change_counts_after_some_minutes(bench: Subject) {
    bench.set(&json(&["a"])).await;
    assert_eq!(bench.vault().masters(None).await, Ok(masters(&["a"])));
    bench.set(&json(&["b", "a"])).await;
    bench.advance(MINUTES);
    assert_eq!(bench.vault().masters(None).await, Ok(masters(&["b", "a"])));
}

async fn a_master_secret_that_is_wanted_and_not_known_is_found_after_some_seconds(bench: Subject) {
    bench.set(&json(&["a"])).await;
    assert_eq!(bench.vault().masters(None).await, Ok(masters(&["a"])));
    bench.set(&json(&["b", "a"])).await;
    bench.advance(SECONDS);
    assert_eq!(bench.vault().masters(Some(&id("b"))).await, Ok(masters(&["b", "a"])));
}

async fn one_that_is_wanted_and_nowhere_is_no_error(bench: Subject) {
    bench.set(&json(&["a"])).await;
    for _ in 0..3 {
        assert_eq!(bench.vault().masters(Some(&id("z"))).await, Ok(masters(&["a"])));
        bench.advance(SECONDS);
    }
}

async fn one_that_was_taken_out_is_gone_after_some_minutes(bench: Subject) {
    bench.set(&json(&["a", "b"])).await;
    assert!(bench.vault().masters(None).await.unwrap().has(&id("b")));
    bench.set(&json(&["a"])).await;
    bench.advance(MINUTES);
    assert_eq!(bench.vault().masters(Some(&id("b"))).await, Ok(masters(&["a"])));
}
