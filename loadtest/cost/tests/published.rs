//! The model against figures that were worked out before it, by another hand and with other code, from the same
//! documents. Each has the settings it was worked out for, and how near the model has to come and why not nearer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use relay_cost::{
    Assumptions, Bill, Item, PriceList, Pricing, Setup, Tracking, defaults, report, units,
};

const ON_DEMAND: Pricing = Pricing::OnDemand;
const PROVISIONED: Pricing = Pricing::Provisioned { utilisation: 0.7 };

fn bill(setup: &Setup, pricing: Pricing) -> Bill {
    let assume = Assumptions::load().unwrap();
    let prices = PriceList::load().unwrap().prices;
    Bill::of(&units(setup, &assume).unwrap(), setup, pricing, &prices, &assume)
}

#[track_caller]
fn near(now: f64, published: f64, share: f64) {
    let apart = now / published - 1.0;
    assert!(apart.abs() <= share, "{now:.2} is {:+.0} % from {published:.2}", apart * 100.0);
}

/// Retries were left out of its writes.
#[test]
fn the_naive_flow() {
    let bill = bill(&Setup::naive(), ON_DEMAND);
    near(bill.flow(), 19.94, 0.05);
    near(bill.item(Item::Metrics), 12.00, 0.01);
    near(bill.item(Item::TableWrites), 3.13, 0.01);
}

/// An item of 16 KB was taken for 16 units; with keys and headers it is 17.
#[test]
fn the_naive_flow_with_16_kilobytes_in_an_item_written_five_times() {
    let setup = Setup { retained: true, ..Setup::naive() }.with_body(16 * 1024);
    near(bill(&setup, ON_DEMAND).flow(), 65.52, 0.10);
}

/// Fewer bytes of log were taken for it: it had no line of the API, and the platform's lines switched off.
#[test]
fn one_post_with_two_writes() {
    let setup = Setup { platform_lines: false, ..Setup::steady(Tracking::Lean, false, 1) };
    let bill = bill(&setup, ON_DEMAND);
    near(bill.flow(), 3.77, 0.10);
    near(bill.item(Item::TableWrites), 1.25, 0.05);
    near(bill.item(Item::Api), 1.00, 0.01);
}

#[test]
fn bulk_with_two_writes() {
    let bulk = Setup::steady(Tracking::Lean, false, 100);
    near(bill(&bulk, ON_DEMAND).flow(), 1.98, 0.05);
    let provisioned = bill(&bulk, PROVISIONED);
    near(provisioned.flow(), 1.25, 0.06);
    near(provisioned.item(Item::TableWrites), 0.52, 0.05);
    near(provisioned.item(Item::Worker), 0.21, 0.05);
    near(provisioned.item(Item::Egress), 0.17, 0.06);
    // Twenty-five in place of a hundred.
    let fewer = bill(&Setup { bulk: 25, ..bulk }, PROVISIONED).flow() - provisioned.flow();
    near(fewer, 0.06, 0.15);
}

#[test]
fn what_is_stored_follows_the_limits() {
    let assume = Assumptions::load().unwrap();
    let units = |retained, bytes| {
        units(&Setup::steady(Tracking::Lean, retained, 1).with_body(bytes), &assume).unwrap()
    };
    // Up to 8 KiB in the table: 9 units for the record, one for the state, two for each of the 2 % further attempts.
    near(units(true, 8192).write_units, 9.0 + 1.0 + 0.04, 1e-9);
    near(units(true, 8193).write_units, 1.0 + 1.0 + 0.04, 1e-9);
    assert_eq!((units(true, 8192).object_puts, units(true, 8193).object_puts), (0.0, 1.0));
    // What is not retained is in the bucket only if it does not fit the queue.
    assert_eq!((units(false, 200_000).object_puts, units(false, 200_000).object_gets), (0.0, 0.0));
    assert!(units(false, 300_000).object_puts > 0.0 && units(false, 300_000).object_gets > 0.0);
    // 64 KB and the envelope are two requests of the queue, and more than one poller's hundred messages a second.
    near(units(false, 65_000).queue_sends, 2.0, 1e-9);
    assert!(units(false, 65_000).poller_hours > 5.0 * units(false, 1024).poller_hours);
}

/// The bars themselves, and which of them do not hold: a change of either is a change of this list, on purpose.
#[test]
fn the_bars() {
    let report = report(&defaults().unwrap()).unwrap();
    let broken: Vec<&str> =
        report.bars.iter().filter(|bar| !bar.holds).map(|bar| bar.name.as_str()).collect();
    let known = [
        "one POST, lean, bodies retained, table on demand",
        "one POST, full, bodies retained, table on demand",
        "naive, times bulk of 25, lean, not retained (both on demand)",
    ];
    assert_eq!(broken, known);
    assert_eq!(report.bars.len(), 12);
    let written = serde_json::to_value(&report).unwrap();
    assert_eq!(written["rows"].as_array().unwrap().len(), report.rows.len());
}

#[test]
fn more_of_anything_costs_more() {
    let base = Setup::steady(Tracking::Lean, true, 25);
    let cost = |setup: &Setup| bill(setup, ON_DEMAND).flow();
    let dearer = [
        Setup { bulk: 5, ..base.clone() },
        Setup { body_bytes: 4096, ..base.clone() },
        Setup { worker_memory_megabytes: 512, ..base.clone() },
        Setup { log_success_percent: 100.0, ..base.clone() },
        Setup { tracking: Tracking::Full, ..base.clone() },
        Setup { fair_queue: true, ..base.clone() },
        Setup { concurrency: 1, ..base.clone() },
        Setup { batch: 5, ..base.clone() },
    ];
    for setup in dearer {
        assert!(cost(&setup) > cost(&base), "{setup:?}");
    }
}
