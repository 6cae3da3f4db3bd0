//! Units times prices: what a million messages cost, item by item. What is paid by the month, messages or not, is in
//! `fixed`; both leave out free tiers and discounts.

use std::fmt;

use serde::Serialize;

use crate::assumptions::Assumptions;
use crate::prices::Prices;
use crate::setup::{FrontDoor, Pricing, Setup};
use crate::units::Units;

const MILLION: f64 = 1_000_000.0;
const GIB: f64 = 1_073_741_824.0;
const SECONDS_PER_HOUR: f64 = 3600.0;
const HOURS_PER_MONTH: f64 = 730.0;
/// New connections a second that one capacity unit of a load balancer takes.
const LOAD_BALANCER_CONNECTIONS: f64 = 25.0;
/// GB an hour that one capacity unit takes for functions as targets.
const LOAD_BALANCER_GB: f64 = 0.4;

/// One line of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// The front door.
    Api,
    /// Ingest: invocations and time.
    Ingest,
    /// The worker: invocations and time.
    Worker,
    /// Writes of the table.
    TableWrites,
    /// Reads of the table.
    TableReads,
    /// Requests of the queue.
    Queue,
    /// Provisioned event pollers.
    Pollers,
    /// Requests of the bucket.
    Bucket,
    /// Logs, metrics as lines included.
    Logs,
    /// Calls of `PutMetricData`.
    Metrics,
    /// Bytes to the target.
    Egress,
    /// What table, its backups and bucket hold until it expires.
    Storage,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Api => "API",
            Self::Ingest => "ingest",
            Self::Worker => "worker",
            Self::TableWrites => "table writes",
            Self::TableReads => "table reads",
            Self::Queue => "queue",
            Self::Pollers => "pollers",
            Self::Bucket => "bucket",
            Self::Logs => "logs",
            Self::Metrics => "metric calls",
            Self::Egress => "egress",
            Self::Storage => "storage",
        })
    }
}

/// What a million messages cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// How the table is paid for.
    pub pricing: Pricing,
    /// Dollars a million, by item, in a fixed order; storage last.
    pub lines: Vec<(Item, f64)>,
}

impl Bill {
    /// Multiplies. Units of `setup`, a table paid for by `pricing`.
    pub fn of(
        units: &Units,
        setup: &Setup,
        pricing: Pricing,
        prices: &Prices,
        assume: &Assumptions,
    ) -> Self {
        let queue_price = if setup.fair_queue {
            prices.queue_request.price + prices.fair_queue_request.price
        } else {
            prices.queue_request.price
        };
        let (write, read) = table_prices(pricing, prices);
        let requests =
            units.queue_sends + units.queue_receives + units.queue_deletes + units.queue_visibility;
        let function = |invocations: f64, gb_seconds: f64| {
            invocations * prices.lambda_request.price + gb_seconds * prices.lambda_gb_second.price
        };
        let held = units.table_gb_months
            * (prices.table_gb_month.price + prices.table_backup_gb_month.price)
            + units.object_gb_months * prices.object_gb_month.price;
        let lines = vec![
            (Item::Api, front_door(units, setup, prices, assume)),
            (Item::Ingest, function(units.ingest_invocations, units.ingest_gb_seconds)),
            (Item::Worker, function(units.worker_invocations, units.worker_gb_seconds)),
            (Item::TableWrites, units.write_units * write),
            (Item::TableReads, units.read_units * read),
            (Item::Queue, requests * queue_price),
            (Item::Pollers, units.poller_hours * prices.poller_hour.price * MILLION),
            (
                Item::Bucket,
                units.object_puts * prices.object_put.price
                    + units.object_gets * prices.object_get.price,
            ),
            (Item::Logs, units.log_bytes / GIB * prices.log_gb.price * MILLION),
            (Item::Metrics, units.metric_calls * prices.metric_call.price),
            (Item::Egress, units.egress_bytes / GIB * prices.egress_gb.price * MILLION),
            (Item::Storage, held * MILLION),
        ];
        Self { pricing, lines }
    }

    /// What moving a million messages costs: everything but storage.
    pub fn flow(&self) -> f64 {
        self.lines
            .iter()
            .filter(|(item, _)| *item != Item::Storage)
            .map(|(_, dollars)| dollars)
            .sum()
    }

    /// Dollars of one item.
    pub fn item(&self, wanted: Item) -> f64 {
        self.lines.iter().filter(|(item, _)| *item == wanted).map(|(_, dollars)| dollars).sum()
    }

    /// The `count` largest items, largest first.
    pub fn largest(&self, count: usize) -> Vec<(Item, f64)> {
        let mut lines = self.lines.clone();
        lines.sort_by(|one, other| other.1.total_cmp(&one.1));
        lines.truncate(count);
        lines
    }
}

/// Dollars a million write units and read units.
fn table_prices(pricing: Pricing, prices: &Prices) -> (f64, f64) {
    match pricing {
        Pricing::OnDemand => (prices.table_write_unit.price, prices.table_read_unit.price),
        Pricing::Provisioned { utilisation } => {
            let by_hour = |price: f64| price / SECONDS_PER_HOUR / utilisation * MILLION;
            (
                by_hour(prices.table_write_capacity_hour.price),
                by_hour(prices.table_read_capacity_hour.price),
            )
        }
    }
}

fn front_door(units: &Units, setup: &Setup, prices: &Prices, assume: &Assumptions) -> f64 {
    match setup.front_door {
        FrontDoor::HttpApi => units.api_requests * prices.http_api_request.price,
        FrontDoor::RestApi => units.api_requests * prices.rest_api_request.price,
        FrontDoor::FunctionUrl => 0.0,
        FrontDoor::LoadBalancer => {
            let connections = units.api_requests / assume.connection_messages.value;
            let by_connections = connections / LOAD_BALANCER_CONNECTIONS / SECONDS_PER_HOUR;
            let by_bytes = units.api_bytes / GIB / LOAD_BALANCER_GB;
            by_connections.max(by_bytes) * prices.load_balancer_unit_hour.price * MILLION
        }
    }
}

/// One thing that is paid by the month, whether a message comes or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fixed {
    /// What it is.
    pub what: String,
    /// Dollars a month.
    pub dollars: f64,
}

/// What a stack costs a month before its first message, and once there is traffic.
pub fn fixed(prices: &Prices, assume: &Assumptions) -> Vec<Fixed> {
    let row = |what: &str, dollars: f64| Fixed { what: what.to_owned(), dollars };
    vec![
        row("alarms on metrics", assume.alarm_metrics.value * prices.alarm_metric_month.price),
        row("composite alarms", assume.composite_alarms.value * prices.composite_alarm_month.price),
        row("master secret", prices.secret_month.price),
        row("dashboard, if not one of the account's three free ones", prices.dashboard_month.price),
        row(
            "custom metrics, in months with traffic (METRICS=emf)",
            assume.active_metrics.value * prices.metric_month.price,
        ),
        row(
            "two provisioned pollers (production preset)",
            2.0 * HOURS_PER_MONTH * prices.poller_hour.price,
        ),
        row(
            "a load balancer, where it is the front door",
            HOURS_PER_MONTH * prices.load_balancer_hour.price,
        ),
    ]
}
