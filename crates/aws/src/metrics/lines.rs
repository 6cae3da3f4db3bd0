//! Samples as lines in CloudWatch's Embedded Metric Format: CloudWatch makes metrics of them when it takes in the
//! log. Pure.

use std::slice::Chunks;

use relay_core::metrics::{DIMENSION, Metric, NAMESPACE, Samples};
use relay_core::time::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Values of one metric in one line, at most: the format's own limit.
const VALUES_MAX: usize = 100;
/// Room for the usual line of an invocation, in bytes.
const LINE_BYTES: usize = 1024;
/// Metrics in one line, at most: the format's own limit.
const METRICS_MAX: usize = 100;
const _: () = assert!(Metric::ALL.len() <= METRICS_MAX, "a line has to hold every metric");

/// One line with everything, or as many as the longest list of values needs. Nothing for no samples.
pub(super) fn render(function: &str, samples: &Samples, now: Timestamp) -> Vec<u8> {
    let mut parts: Vec<(Metric, Chunks<'_, u64>)> =
        samples.iter().map(|(metric, values)| (metric, values.chunks(VALUES_MAX))).collect();
    let mut text = Vec::with_capacity(LINE_BYTES);
    // Ends: each turn takes a chunk from every metric that has any left.
    loop {
        let chunks = parts.iter_mut().map(|(metric, chunks)| Some((*metric, chunks.next()?)));
        let line: Vec<(Metric, &[u64])> = chunks.flatten().collect();
        if line.is_empty() {
            return text;
        }
        // Neither writing to memory nor texts and numbers fail.
        let _ = serde_json::to_writer(&mut text, &Line { function, samples: &line, now });
        text.push(b'\n');
    }
}

/// A line that is being written.
struct Line<'a> {
    function: &'a str,
    samples: &'a [(Metric, &'a [u64])],
    now: Timestamp,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        let about = About {
            timestamp: self.now.as_millis(),
            directives: [Directive {
                namespace: NAMESPACE,
                dimensions: [[DIMENSION]],
                metrics: Described(self.samples),
            }],
        };
        members.serialize_entry("_aws", &about)?;
        members.serialize_entry(DIMENSION, self.function)?;
        for (metric, values) in self.samples {
            match values {
                [one] => members.serialize_entry(metric.name(), one)?,
                several => members.serialize_entry(metric.name(), several)?,
            }
        }
        members.end()
    }
}

/// What makes metrics of the line's members.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct About<'a> {
    timestamp: u64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [[&'a str; 1]; 1],
    metrics: Described<'a>,
}

/// The line's metrics with their units.
struct Described<'a>(&'a [(Metric, &'a [u64])]);

impl Serialize for Described<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Row {
            name: &'static str,
            unit: &'static str,
        }
        serializer.collect_seq(self.0.iter().map(|(metric, _)| {
            let definition = metric.definition();
            Row { name: definition.name, unit: definition.unit.as_str() }
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::{Value, json};

    use super::*;

    fn text_of(function: &str, samples: &Samples, now: u64) -> String {
        String::from_utf8(render(function, samples, Timestamp::from_millis(now))).unwrap()
    }

    fn rendered(samples: &Samples) -> Vec<Value> {
        let text = text_of("relay-worker", samples, 1_790_000_000_123);
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
        let text = text_of(&"n".repeat(64), &samples, 1);
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    }
}
