//! `CloudWatch` as far as the template uses it: evaluates its alarms, composite alarms and dashboard over series of
//! values, by the template's own definitions.
//!
//! What it deliberately does not do: guess. A statistic, an operator or a treatment of missing data that the
//! template does not use is refused, and fails the test that met it.
//!
//! Names stand for themselves: what the template calls `!Ref IngestFunction` is the dimension `IngestFunction` here,
//! and so is `!GetAtt DeliveryQueue.QueueName` the dimension `DeliveryQueue`.
//!
//! ```
//! use relay_tests::Template;
//! use relay_tests::cloudwatch::{Dashboard, MetricName, Series};
//!
//! let mut series = Series::default();
//! let accepted = MetricName::new("WebhookRelay", "Accepted", &[("FunctionName", "IngestFunction")]);
//! series.add(&accepted, 0, &[3.0]);
//! series.add(&accepted, 1, &[4.0]);
//! let dashboard = Dashboard::read(&Template::load());
//! let widget = dashboard.widget("How many requests come in, and what becomes of them?");
//! assert_eq!(widget.totals(&series, 2)["Accepted"], 7.0);
//! ```

mod alarm;
mod composite;
mod dashboard;
mod expression;
mod monitoring;
mod parse;
mod query;
mod resolve;
mod rule;
mod series;
mod statistic;

pub use alarm::{Alarm, Missing, State};
pub use composite::Composite;
pub use dashboard::{Dashboard, Widget, WidgetKind};
pub use monitoring::{History, Monitoring};
pub use query::{Query, Source};
pub use series::{EmptyFill, MetricName, Series};
pub use statistic::Statistic;

/// Minutes on the clock of a test. Those before zero have no values.
pub type Minute = i64;
