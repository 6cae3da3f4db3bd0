//! What a million messages cost: counted units times a dated list of prices.
//!
//! `Setup` says how a relay is set up, `Units` what one message of it uses, `Bill` what a million cost, `report` puts
//! many of them side by side with bars, peers and what to change. A benchmark that counts replaces fields of `Units`.
//! What this deliberately does not do: it reads no bill and calls no price list; it leaves out free tiers, discounts
//! by volume or contract, and taxes.

mod assumptions;
mod bars;
mod bill;
mod error;
mod latency;
mod levers;
mod model;
mod prices;
mod report;
mod setup;
mod units;

pub use assumptions::{Assumption, Assumptions};
pub use bars::{AIMS, Aim, Bar, NAIVE_TIMES};
pub use bill::{Bill, Fixed, Item, fixed};
pub use error::CostError;
pub use latency::{Latency, slowest};
pub use levers::{Lever, levers};
pub use model::units;
pub use prices::{Peer, Price, PriceList, Prices};
pub use report::{Profile, Report, Row, defaults, report};
pub use setup::{FrontDoor, Pricing, Setup, Tracking};
pub use units::Units;

/// What a provisioned table is used to, on average: the target of its own scaling.
pub const TABLE_UTILISATION: f64 = 0.7;
