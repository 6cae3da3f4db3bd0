//! Everything as Prometheus text. Sums are counters, values that stand for themselves are summaries: quantiles of the
//! last [`QUANTILE_MINUTES`] minutes, sum and count since the start.
//!
//! Names are CloudWatch's, in snake case behind the namespace, with the unit at the end:
//! `AWS/Lambda` `Duration` is `aws_lambda_duration_milliseconds`.

use std::fmt::Write;

use jiff::Timestamp;
use relay_core::metrics::{Kind, Metric, NAMESPACE};

use super::aws::{AwsMetric, Form};
use super::series::{AllSeries, Identity, Series, percentile};

/// How many minutes quantiles are made of, the current one included.
pub(super) const QUANTILE_MINUTES: u64 = 5;
/// The quantiles: in percent, and as Prometheus writes them.
const QUANTILES: [(u64, &str); 3] = [(50, "0.5"), (95, "0.95"), (99, "0.99")];

/// What is known of a metric beside its values.
struct About {
    form: Form,
    meaning: &'static str,
}

fn about(identity: &Identity) -> Option<About> {
    if let Some(metric) = AwsMetric::named(&identity.namespace, &identity.name) {
        let row = metric.row();
        return Some(About { form: row.form, meaning: row.meaning });
    }
    let ours = |metric: &&Metric| identity.namespace == NAMESPACE && metric.name() == identity.name;
    let row = Metric::ALL.iter().find(ours)?.definition();
    let form = match row.kind {
        Kind::Counter => Form::Counter,
        Kind::Distribution => Form::Distribution,
    };
    Some(About { form, meaning: row.meaning })
}

pub(super) fn render(all: &AllSeries) -> String {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    render_at(all, now)
}

fn render_at(all: &AllSeries, now_seconds: u64) -> String {
    let mut text = String::new();
    let mut before = None;
    // Sorted, so that all series of one metric follow each other, as the format wants it.
    for (identity, series) in all.iter() {
        // What nobody described is not from here.
        let Some(About { form, meaning }) = about(identity) else { continue };
        let name = name(identity, series.unit, form);
        if before.as_ref() != Some(&name) {
            let kind = match form {
                Form::Counter => "counter",
                Form::Gauge => "gauge",
                Form::Distribution => "summary",
            };
            line(&mut text, format_args!("# HELP {name} {meaning}"));
            line(&mut text, format_args!("# TYPE {name} {kind}"));
        }
        let labels = labels(identity);
        match form {
            Form::Counter => line(&mut text, format_args!("{name}{{{labels}}} {}", series.sum)),
            Form::Gauge => line(&mut text, format_args!("{name}{{{labels}}} {}", series.last)),
            Form::Distribution => summary(&mut text, &name, &labels, series, now_seconds),
        }
        before = Some(name);
    }
    text
}

fn summary(text: &mut String, name: &str, labels: &str, series: &Series, now_seconds: u64) {
    let recent = series.recent(now_seconds.saturating_sub(QUANTILE_MINUTES * 60));
    for (percent, quantile) in QUANTILES {
        let value =
            percentile(&recent, percent).map_or("NaN".to_owned(), |value| value.to_string());
        let comma = if labels.is_empty() { "" } else { "," };
        line(text, format_args!("{name}{{{labels}{comma}quantile=\"{quantile}\"}} {value}"));
    }
    line(text, format_args!("{name}_sum{{{labels}}} {}", series.sum));
    line(text, format_args!("{name}_count{{{labels}}} {}", series.count));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{arguments}");
}

fn labels(identity: &Identity) -> String {
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let label =
        |(name, value): (&String, &String)| format!("{}=\"{}\"", snake(name), escaped(value));
    identity.dimensions.iter().map(label).collect::<Vec<_>>().join(",")
}

fn name(identity: &Identity, unit: &str, form: Form) -> String {
    let mut name = format!("{}_{}", snake(&identity.namespace), snake(&identity.name));
    let unit = snake(unit);
    if unit != "count" && unit != "none" && !name.ends_with(&unit) {
        name.push('_');
        name.push_str(&unit);
    }
    if form == Form::Counter {
        name.push_str("_total");
    }
    name
}

/// `DynamoDB` is `dynamo_db`, `AWS/ApiGateway` is `aws_api_gateway`.
fn snake(name: &str) -> String {
    let signs: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, sign) in signs.iter().enumerate() {
        if !sign.is_ascii_alphanumeric() {
            snake.push('_');
            continue;
        }
        let before = index.checked_sub(1).map(|index| signs[index]);
        let after = signs.get(index + 1);
        let begins_word = sign.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins_word {
            snake.push('_');
        }
        snake.push(sign.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_prometheus_names() {
        let name = |namespace, name, unit, form| {
            super::name(&Identity::new(namespace, name, &[]), unit, form)
        };
        let found = [
            name("WebhookRelay", "Accepted", "Count", Form::Counter),
            name("WebhookRelay", "AcceptMilliseconds", "Milliseconds", Form::Distribution),
            name("AWS/Lambda", "Duration", "Milliseconds", Form::Distribution),
            name("AWS/ApiGateway", "4xx", "Count", Form::Counter),
            name("AWS/DynamoDB", "SuccessfulRequestLatency", "Milliseconds", Form::Distribution),
            name("AWS/SQS", "ApproximateAgeOfOldestMessage", "Seconds", Form::Gauge),
        ];
        let expected = [
            "webhook_relay_accepted_total",
            "webhook_relay_accept_milliseconds",
            "aws_lambda_duration_milliseconds",
            "aws_api_gateway_4xx_total",
            "aws_dynamo_db_successful_request_latency_milliseconds",
            "aws_sqs_approximate_age_of_oldest_message_seconds",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn sums_values_and_states_are_told_each_in_its_form() {
        let mut all = AllSeries::default();
        let function = [("FunctionName", "a\"b")];
        let accepted = Identity::new(NAMESPACE, "Accepted", &function);
        all.add(&accepted, "Count", 60, &[2]);
        all.add(&accepted, "Count", 600, &[3]);
        let took = Identity::new(NAMESPACE, "AcceptMilliseconds", &function);
        all.add(&took, "Milliseconds", 60, &[1000]);
        all.add(&took, "Milliseconds", 600, &[3, 4]);
        let waiting =
            Identity::new("AWS/SQS", "ApproximateNumberOfMessagesVisible", &[("QueueName", "q")]);
        all.add(&waiting, "Count", 600, &[9, 1]);
        all.add(&Identity::new("Strange", "Thing", &[]), "Count", 600, &[1]);
        let expected = r#"# HELP aws_sqs_approximate_number_of_messages_visible Messages that could be received now.
# TYPE aws_sqs_approximate_number_of_messages_visible gauge
aws_sqs_approximate_number_of_messages_visible{queue_name="q"} 1
# HELP webhook_relay_accept_milliseconds Time from a request's arrival to its answer, of posts that were accepted, duplicates included.
# TYPE webhook_relay_accept_milliseconds summary
webhook_relay_accept_milliseconds{function_name="a\"b",quantile="0.5"} 3
webhook_relay_accept_milliseconds{function_name="a\"b",quantile="0.95"} 4
webhook_relay_accept_milliseconds{function_name="a\"b",quantile="0.99"} 4
webhook_relay_accept_milliseconds_sum{function_name="a\"b"} 1007
webhook_relay_accept_milliseconds_count{function_name="a\"b"} 3
# HELP webhook_relay_accepted_total Messages accepted for the first time.
# TYPE webhook_relay_accepted_total counter
webhook_relay_accepted_total{function_name="a\"b"} 5
"#;
        assert_eq!(render_at(&all, 620), expected.replace("a\"b", "a\\\"b"));
    }
}
