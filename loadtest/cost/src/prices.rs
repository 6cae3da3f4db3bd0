//! List prices: `prices.json`, each with its unit, source, date and whether it was verified. Discounts by volume, by
//! contract and free tiers are left out.

use serde::{Deserialize, Serialize};

use crate::error::CostError;

const FILE: &str = "prices.json";
const TEXT: &str = include_str!("../prices.json");

/// One price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Dollars for one unit.
    pub price: f64,
    /// What it is for.
    pub unit: String,
    /// The document it was read in.
    pub source: String,
    /// The document's date, as exactly as it is known.
    pub date: String,
    /// Whether it was checked against a second document or is the seller's own list.
    pub verified: bool,
}

/// What another service asks for a million deliveries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// The lowest list price for a million, dollars.
    pub dollars_from: f64,
    /// The highest.
    pub dollars_to: f64,
    /// What that is for.
    pub what: String,
    /// The document it was read in.
    pub source: String,
    /// The document's date.
    pub date: String,
    /// Whether it is the seller's own list or was checked against a second document.
    pub verified: bool,
}

/// The prices of everything a relay uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field's unit and source stand in the file, beside its value")]
pub struct Prices {
    pub http_api_request: Price,
    pub rest_api_request: Price,
    pub load_balancer_hour: Price,
    pub load_balancer_unit_hour: Price,
    pub lambda_request: Price,
    pub lambda_gb_second: Price,
    pub poller_hour: Price,
    pub queue_request: Price,
    pub fair_queue_request: Price,
    pub table_write_unit: Price,
    pub table_read_unit: Price,
    pub table_write_capacity_hour: Price,
    pub table_read_capacity_hour: Price,
    pub table_gb_month: Price,
    pub table_backup_gb_month: Price,
    pub object_put: Price,
    pub object_get: Price,
    pub object_gb_month: Price,
    pub log_gb: Price,
    pub metric_call: Price,
    pub metric_month: Price,
    pub alarm_metric_month: Price,
    pub composite_alarm_month: Price,
    pub secret_month: Price,
    pub dashboard_month: Price,
    pub egress_gb: Price,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// Where the prices hold.
    pub region: String,
    /// In what.
    pub currency: String,
    /// The prices.
    pub prices: Prices,
    /// What others ask.
    pub peers: Vec<Peer>,
}

impl PriceList {
    /// The one this crate comes with.
    ///
    /// # Errors
    /// `CostError` if the file is not what it has to be.
    pub fn load() -> Result<Self, CostError> {
        serde_json::from_str(TEXT).map_err(|source| CostError::File { file: FILE, source })
    }
}
