//! What a million messages are meant to cost at most, and what they do. Bars are aimed at, never moved to fit.

use serde::Serialize;

use crate::TABLE_UTILISATION;
use crate::report::Row;
use crate::setup::{FrontDoor, Pricing, Setup, Tracking};

/// The size of a body that bars are for.
const BODY_BYTES: u64 = 1024;
/// How many times the naive flow has to cost what the cheapest does.
pub const NAIVE_TIMES: f64 = 10.0;

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// What it is for.
    pub name: String,
    /// The most it may be; for the naive flow, the least. Dollars a million without storage, or times.
    pub limit: f64,
    /// What it is.
    pub now: f64,
    /// Whether it holds.
    pub holds: bool,
}

/// A setup that a bar is for, and the bar for both ways of paying for the table.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    /// In words.
    pub name: &'static str,
    /// What is written of each message.
    pub tracking: Tracking,
    /// Whether bodies are kept.
    pub retained: bool,
    /// Messages of a request.
    pub bulk: u32,
    /// The most it may cost with a table on demand, in dollars a million.
    pub on_demand: f64,
    /// The same with a table paid by the hour, where there is a bar.
    pub provisioned: Option<f64>,
}

/// What is aimed at.
pub const AIMS: [Aim; 7] = [
    aim("bulk of 25, lean, bodies not retained", Tracking::Lean, false, 25, 2.00, Some(1.30)),
    aim("bulk of 25, lean, bodies retained", Tracking::Lean, true, 25, 2.65, Some(1.55)),
    aim("bulk of 100, lean, bodies not retained", Tracking::Lean, false, 100, 2.00, Some(1.30)),
    aim("one POST, lean, bodies not retained", Tracking::Lean, false, 1, 4.40, None),
    aim("one POST, lean, bodies retained", Tracking::Lean, true, 1, 4.40, None),
    aim("one POST, full, bodies not retained", Tracking::Full, false, 1, 5.70, None),
    aim("one POST, full, bodies retained", Tracking::Full, true, 1, 5.70, None),
];

const fn aim(
    name: &'static str,
    tracking: Tracking,
    retained: bool,
    bulk: u32,
    on_demand: f64,
    provisioned: Option<f64>,
) -> Aim {
    Aim { name, tracking, retained, bulk, on_demand, provisioned }
}

/// All bars that `rows` have figures for. Where several rows do, the last counts: what was counted comes after what
/// was computed.
pub(crate) fn bars(rows: &[Row]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for aim in &AIMS {
        let Some(row) = rows.iter().rev().find(|row| aim.is_for(&row.profile.setup)) else {
            continue;
        };
        if let Some(limit) = aim.provisioned {
            bars.push(most(
                format!("{}, provisioned table", aim.name),
                limit,
                row.provisioned.flow(),
            ));
        }
        bars.push(most(
            format!("{}, table on demand", aim.name),
            aim.on_demand,
            row.on_demand.flow(),
        ));
    }
    bars.extend(naive(rows));
    bars
}

fn most(name: String, limit: f64, now: f64) -> Bar {
    Bar { name, limit, now, holds: now <= limit }
}

/// How many times the naive flow costs what bulk does, both with a table on demand, and with the table that suits.
fn naive(rows: &[Row]) -> Vec<Bar> {
    let last =
        |wanted: &dyn Fn(&Setup) -> bool| rows.iter().rev().find(|row| wanted(&row.profile.setup));
    let naive = last(&|setup| {
        setup.tracking == Tracking::Naive && !setup.retained && setup.body_bytes == BODY_BYTES
    });
    let bulk = last(&|setup| AIMS[0].is_for(setup));
    let (Some(naive), Some(bulk)) = (naive, bulk) else { return Vec::new() };
    let mut times = Vec::new();
    for (how, cost) in
        [("both on demand", bulk.on_demand.flow()), ("bulk provisioned", bulk.provisioned.flow())]
    {
        let now = naive.on_demand.flow() / cost;
        let name = format!("naive, times bulk of 25, lean, not retained ({how})");
        times.push(Bar { name, limit: NAIVE_TIMES, now, holds: now >= NAIVE_TIMES });
    }
    times
}

impl Aim {
    fn is_for(&self, setup: &Setup) -> bool {
        setup.tracking == self.tracking
            && setup.retained == self.retained
            && setup.bulk == self.bulk
            && setup.body_bytes == BODY_BYTES
            && setup.front_door == FrontDoor::HttpApi
            && setup.log_success_percent <= 1.0
    }
}

/// How a provisioned table is paid for in the comparison.
pub(crate) const fn provisioned() -> Pricing {
    Pricing::Provisioned { utilisation: TABLE_UTILISATION }
}
