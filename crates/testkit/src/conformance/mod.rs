//! One suite of cases per port. Whoever implements a port runs its suite; every sentence of the
//! contracts in `relay_core::ports` has a case, and cases that hold a row of the failure table are
//! named after it.
//!
//! Cases are independent: each has messages or a queue of its own, and all run even if some fail.

pub mod breakers;
pub mod buckets;
pub mod keys;
pub mod ledger;
pub mod letters;
pub mod payloads;
pub mod queue;
pub mod replays;
pub mod signing_secrets;
pub mod store;
pub mod vault;

use futures::future::BoxFuture;

/// One case of a suite.
pub struct Case<Subject> {
    /// What must hold.
    pub name: &'static str,
    /// Panics if it does not.
    pub run: fn(Subject) -> BoxFuture<'static, ()>,
}

/// A list of cases, each named after its function.
macro_rules! cases {
    ($($module:ident :: { $($case:ident),* $(,)? }),* $(,)?) => {
        vec![$($($crate::conformance::Case {
            name: stringify!($case),
            run: |subject| Box::pin($module::$case(subject)),
        }),*),*]
    };
}
pub(crate) use cases;

/// Runs every case on a subject of its own.
///
/// # Panics
/// When a case fails, after all ran; the text names each.
pub(crate) async fn run<Subject, Making>(
    cases: Vec<Case<Subject>>,
    make: impl Fn(&'static str) -> Making,
) where
    Subject: Send + 'static,
    Making: Future<Output = Subject>,
{
    let count = cases.len();
    let mut failed = Vec::new();
    for case in cases {
        let subject = make(case.name).await;
        // In a task of its own, so that a panic ends this case only.
        if tokio::spawn((case.run)(subject)).await.is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{} of {count} cases failed: {failed:#?}", failed.len());
}
