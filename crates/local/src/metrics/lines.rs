//! Reads lines in CloudWatch's Embedded Metric Format, as CloudWatch does: what a line does not say properly is left
//! out. Knows nothing of which metrics there are.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::series::Identity;

/// What such a line cannot be without, asked for before it is parsed.
const MARK: &str = "\"_aws\"";

/// Values of one metric in a line.
pub(super) struct Read {
    pub(super) identity: Identity,
    pub(super) unit: &'static str,
    pub(super) at_seconds: u64,
    pub(super) values: Vec<u64>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "_aws")]
    aws: Directives,
    #[serde(flatten)]
    members: Map<String, Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directives {
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: String,
    unit: Option<String>,
}

/// The values in a line; nothing if it is no line of metrics.
pub(super) fn read(line: &str) -> Option<Vec<Read>> {
    if !line.contains(MARK) {
        return None;
    }
    let Line { aws, members } = serde_json::from_str(line).ok()?;
    let mut found = Vec::new();
    for Directive { namespace, dimensions, metrics } in &aws.cloud_watch_metrics {
        for names in dimensions {
            let dimensions: Vec<(&str, &str)> = names
                .iter()
                .filter_map(|name| Some((name.as_str(), members.get(name)?.as_str()?)))
                .collect();
            found.extend(metrics.iter().map(|metric| Read {
                identity: Identity::new(namespace, &metric.name, &dimensions),
                unit: unit(metric.unit.as_deref()),
                at_seconds: aws.timestamp / 1000,
                values: values(members.get(&metric.name)),
            }));
        }
    }
    Some(found)
}

fn values(member: Option<&Json>) -> Vec<u64> {
    match member {
        Some(Json::Array(values)) => values.iter().filter_map(Json::as_u64).collect(),
        Some(value) => value.as_u64().into_iter().collect(),
        None => Vec::new(),
    }
}

fn unit(name: Option<&str>) -> &'static str {
    const UNITS: [&str; 4] = ["Count", "Milliseconds", "Seconds", "Bytes"];
    UNITS.into_iter().find(|unit| Some(*unit) == name).unwrap_or("None")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Meter;

    #[test]
    fn a_line_is_read_as_cloudwatch_reads_it() {
        let meter = Meter::default();
        let line = r#"{"FunctionName":"f","Took":[3,3,5],"Accepted":2,"_aws":{"Timestamp":120999,
            "CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["FunctionName"]],"Metrics":[
            {"Name":"Took","Unit":"Milliseconds"},{"Name":"Accepted","Unit":"Count"},{"Name":"Gone"}]}]}}"#;
        assert!(meter.take_line(line));
        assert!(meter.take_line(line));
        let series = |name: &str, unit: &str, values: Json, counts: Json| {
            serde_json::json!({
                "namespace": "N", "name": name, "dimensions": { "FunctionName": "f" }, "unit": unit,
                "minutes": [{ "minute": 120, "values": values, "counts": counts }],
            })
        };
        let expected = serde_json::json!([
            series("Accepted", "Count", serde_json::json!([2]), serde_json::json!([2])),
            series("Took", "Milliseconds", serde_json::json!([3, 5]), serde_json::json!([4, 2])),
        ]);
        assert_eq!(meter.json(), expected, "what has no value has no series");
    }

    #[test]
    fn other_lines_are_none_of_metrics() {
        let meter = Meter::default();
        for line in
            ["", "text with \"_aws\"", r#"{"level":"INFO"}"#, r#"{"_aws":{},"level":"INFO"}"#]
        {
            assert!(!meter.take_line(line), "{line}");
        }
        assert_eq!(meter.json(), serde_json::json!([]));
    }
}
