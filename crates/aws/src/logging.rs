//! Log lines of a function: JSON, one object a line, as CloudWatch Logs reads them best.

use relay_core::settings::Logging;
use tracing_subscriber::EnvFilter;

/// Set to `text` where a person reads the log rather than CloudWatch. It is no setting of the relay:
/// the local stack sets it for the functions it runs.
const FORMAT_VARIABLE: &str = "RELAY_LOG_FORMAT";

/// Sends log lines to standard output from now on. Other crates than the relay's own speak up from
/// warnings on. A second call changes nothing.
pub fn log_to_stdout(logging: &Logging) {
    let level = &logging.level;
    let filter = EnvFilter::new(format!(
        "warn,relay_core={level},relay_aws={level},relay_ingest={level},relay_worker={level}"
    ));
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
