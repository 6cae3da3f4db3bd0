//! Log lines of a function: JSON, one object a line, as CloudWatch Logs reads them best.

use relay_core::settings::Logging;
use tracing_subscriber::EnvFilter;

/// Set to `text` where a person reads the log rather than CloudWatch. It is no setting of the relay:
/// the local stack sets it for the functions it runs.
const FORMAT_VARIABLE: &str = "RELAY_LOG_FORMAT";

/// The crates whose lines are the functions' own.
const CRATES: [&str; 5] =
    ["relay_core", "relay_aws", "relay_ingest", "relay_worker", "relay_operate"];

/// Sends log lines to standard output from now on. Other crates than the relay's own speak up from
/// warnings on. A second call changes nothing.
pub fn log_to_stdout(logging: &Logging) {
    let level = &logging.level;
    let ours = CRATES.map(|name| format!(",{name}={level}")).concat();
    let filter = EnvFilter::new(format!("warn{ours}"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let as_text = std::env::var(FORMAT_VARIABLE).is_ok_and(|format| format == "text");
    // The only error is that a subscriber is there already.
    let _ = if as_text {
        subscriber.without_time().compact().try_init()
    } else {
        subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
}
