//! Samples as lines in CloudWatch's Embedded Metric Format: CloudWatch makes metrics of them when it takes in the
//! log. Pure.

use std::slice::Chunks;

use relay_core::metrics::{DIMENSION, Metric, NAMESPACE, Samples};
use relay_core::time::Timestamp;
use serde_json::{Map, Value, json};

/// Values of one metric in one line, at most: the format's own limit.
const VALUES_MAX: usize = 100;
/// Metrics in one line, at most: the format's own limit.
const METRICS_MAX: usize = 100;
const _: () = assert!(Metric::ALL.len() <= METRICS_MAX, "a line has to hold every metric");

/// One line with everything, or as many as the longest list of values needs. Nothing for no samples.
pub(super) fn render(function: &str, samples: &Samples, now: Timestamp) -> String {
    let mut parts: Vec<(Metric, Chunks<'_, u64>)> =
        samples.iter().map(|(metric, values)| (metric, values.chunks(VALUES_MAX))).collect();
    let mut text = String::new();
    // Ends: each turn takes a chunk from every metric that has any left.
    loop {
        let chunks = parts.iter_mut().map(|(metric, chunks)| Some((*metric, chunks.next()?)));
        let line: Vec<(Metric, &[u64])> = chunks.flatten().collect();
        if line.is_empty() {
            return text;
        }
        text.push_str(&object(function, &line, now).to_string());
        text.push('\n');
    }
}

fn object(function: &str, samples: &[(Metric, &[u64])], now: Timestamp) -> Value {
    let described = samples.iter().map(|(metric, _)| metric.definition());
    let described: Vec<Value> =
        described.map(|row| json!({ "Name": row.name, "Unit": row.unit.as_str() })).collect();
    let mut members = Map::new();
    members.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": described,
            }],
        }),
    );
    members.insert(DIMENSION.to_owned(), function.into());
    for (metric, values) in samples {
        let value = match values {
            [one] => json!(one),
            several => json!(several),
        };
        members.insert(metric.name().to_owned(), value);
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn rendered(samples: &Samples) -> Vec<Value> {
        let text = render("relay-worker", samples, Timestamp::from_millis(1_790_000_000_123));
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_invocation_is_one_line() {
        let mut samples = Samples::default();
        assert!(rendered(&samples).is_empty());
        samples.add(Metric::Delivered, 2);
        samples.add(Metric::AttemptMilliseconds, 31);
        samples.add(Metric::AttemptMilliseconds, 7);
        samples.add(Metric::PayloadBytes, 9);
        let line = json!({
            "_aws": {
                "Timestamp": 1_790_000_000_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "WebhookRelay",
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [
                        { "Name": "PayloadBytes", "Unit": "Bytes" },
                        { "Name": "AttemptMilliseconds", "Unit": "Milliseconds" },
                        { "Name": "Delivered", "Unit": "Count" },
                    ],
                }],
            },
            "FunctionName": "relay-worker",
            "PayloadBytes": 9,
            "AttemptMilliseconds": [31, 7],
            "Delivered": 2,
        });
        assert_eq!(rendered(&samples), [line]);
    }

    #[test]
    fn more_values_than_a_line_may_hold_make_more_lines_and_none_comes_twice() {
        let mut samples = Samples::default();
        samples.add(Metric::Delivered, 250);
        (0..250).for_each(|value| samples.add(Metric::AttemptMilliseconds, value));
        let lines = rendered(&samples);
        let lengths: Vec<usize> = lines
            .iter()
            .map(|line| line["AttemptMilliseconds"].as_array().unwrap().len())
            .collect();
        assert_eq!(lengths, [100, 100, 50]);
        let delivered: Vec<Option<u64>> =
            lines.iter().map(|line| line["Delivered"].as_u64()).collect();
        assert_eq!(delivered, [Some(250), None, None]);
        let described = &lines[1]["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(*described, json!([{ "Name": "AttemptMilliseconds", "Unit": "Milliseconds" }]));
    }

    #[test]
    fn every_metric_at_once_fits_one_line_that_lambda_does_not_cut() {
        // Lambda cuts lines of its log at 256 KiB, and half a line is no metric.
        let mut samples = Samples::default();
        for metric in Metric::ALL {
            (0..VALUES_MAX).for_each(|_| samples.add(*metric, u64::MAX / 1000));
        }
        let text = render(&"n".repeat(64), &samples, Timestamp::from_millis(1));
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    }
}
