//! What to change, and what that saves: the same setup with one thing turned, priced again.

use serde::Serialize;

use crate::TABLE_UTILISATION;
use crate::assumptions::Assumptions;
use crate::bill::Bill;
use crate::error::CostError;
use crate::model::units;
use crate::prices::Prices;
use crate::setup::{FrontDoor, Pricing, Setup, Tracking};

/// A change below this saves nothing worth a word: a cent in a million messages.
const WORTH_DOLLARS: f64 = 0.01;

/// One thing to turn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lever {
    /// What.
    pub change: &'static str,
    /// Dollars a million messages, of what moving them costs and of storage.
    pub saves: f64,
}

/// What saves anything in `setup` with a table on demand, most first. Savings do not add up.
///
/// # Errors
/// Those of [`units`].
pub fn levers(
    setup: &Setup,
    prices: &Prices,
    assume: &Assumptions,
) -> Result<Vec<Lever>, CostError> {
    let total = |setup: &Setup, pricing: Pricing| -> Result<f64, CostError> {
        let bill = Bill::of(&units(setup, assume)?, setup, pricing, prices, assume);
        Ok(bill.lines.iter().map(|(_, dollars)| dollars).sum())
    };
    let today = total(setup, Pricing::OnDemand)?;
    let mut found = Vec::new();
    let provisioned = total(setup, Pricing::Provisioned { utilisation: TABLE_UTILISATION })?;
    found.push(Lever { change: "a provisioned table, 70 % used", saves: today - provisioned });
    for (change, turned) in turns(setup) {
        found.push(Lever { change, saves: today - total(&turned, Pricing::OnDemand)? });
    }
    found.retain(|lever| lever.saves >= WORTH_DOLLARS);
    found.sort_by(|one, other| other.saves.total_cmp(&one.saves));
    Ok(found)
}

/// What may be turned in a setup. Where it is turned already, nothing changes and nothing is saved.
fn turns(setup: &Setup) -> Vec<(&'static str, Setup)> {
    let turned = |change: &'static str, turn: fn(&mut Setup)| {
        let mut turned = setup.clone();
        turn(&mut turned);
        (change, turned)
    };
    vec![
        turned("bulk of 25", |setup| setup.bulk = setup.bulk.max(25)),
        turned("STATUS_TRACKING=lean", |setup| setup.tracking = Tracking::Lean),
        turned("RETAIN_BODIES=false", |setup| setup.retained = false),
        turned("WorkerMemoryMegabytes=256", |setup| {
            setup.worker_memory_megabytes = setup.worker_memory_megabytes.min(256);
        }),
        turned("IngestMemoryMegabytes=512", |setup| {
            setup.ingest_memory_megabytes = setup.ingest_memory_megabytes.min(512);
        }),
        turned("BatchSize=10", |setup| setup.batch = setup.batch.max(10)),
        turned("LogSuccessPercent=1", |setup| {
            setup.log_success_percent = setup.log_success_percent.min(1.0);
        }),
        turned("SystemLogLevel: WARN", |setup| setup.platform_lines = false),
        turned("METRICS=off", |setup| setup.metrics = false),
        turned("a function URL for the API", |setup| setup.front_door = FrontDoor::FunctionUrl),
    ]
}
