//! What a stack has recorded, as the template's dashboard shows it, and value by value. It judges nothing.

use std::collections::BTreeMap;

use relay_tests::Template;
use relay_tests::cloudwatch::{Dashboard, MetricName, Series, WidgetKind};
use serde_json::Value;

use crate::support::Client;

/// The relay's own metrics.
const NAMESPACE: &str = "WebhookRelay";

/// Everything that was recorded until one moment.
pub(super) struct Recorded {
    series: Series,
    /// How many minutes it fills.
    minutes: i64,
    /// Every value of the relay's own metrics, of all functions.
    values: BTreeMap<String, Vec<f64>>,
}

impl Recorded {
    /// What is recorded now, with the dimensions named as the template names them.
    pub(super) async fn by(client: &Client) -> Self {
        let resources: Vec<String> = Template::load()
            .entries("Resources")
            .iter()
            .map(|(logical_id, _)| (*logical_id).to_owned())
            .collect();
        let answer = client.get("/_local/metrics").await.json;
        let all = answer.as_array().expect("a list of metrics");
        let starts = || all.iter().flat_map(minutes_of).map(start);
        let (first, last) =
            (starts().min().unwrap_or_default(), starts().max().unwrap_or_default());
        let mut recorded =
            Self { series: Series::default(), minutes: last - first + 1, values: BTreeMap::new() };
        for one in all {
            let metric = metric(one, &resources);
            for minute in minutes_of(one) {
                let values = values_of(minute);
                recorded.series.add(&metric, start(minute) - first, &values);
                if metric.namespace == NAMESPACE {
                    recorded.values.entry(metric.name.clone()).or_default().extend(values);
                }
            }
        }
        recorded
    }

    /// What a widget says of the whole time, by label.
    pub(super) fn shown(&self, title: &str) -> BTreeMap<String, f64> {
        Dashboard::read(&Template::load()).widget(title).totals(&self.series, self.minutes)
    }

    /// Every value of one of the relay's own metrics.
    pub(super) fn values(&self, name: &str) -> &[f64] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// What the values of one of the relay's own metrics add up to.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().sum()
    }

    /// Every line that the dashboard draws, by the widget's title and its own label, and what it says.
    pub(super) fn lines(&self) -> Vec<(String, String, Option<f64>)> {
        let dashboard = Dashboard::read(&Template::load());
        let graphs = dashboard.widgets.iter().filter(|widget| widget.kind == WidgetKind::Metrics);
        graphs
            .flat_map(|widget| {
                let totals = widget.totals(&self.series, self.minutes);
                let shown = widget.queries().iter().filter(|query| query.is_shown);
                let line = move |label: String| {
                    let value = totals.get(&label).copied();
                    (widget.title.clone(), label, value)
                };
                shown.map(|query| query.label.clone()).map(line).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn minutes_of(one: &Value) -> &[Value] {
    one["minutes"].as_array().map_or(&[], Vec::as_slice)
}

fn start(minute: &Value) -> i64 {
    minute["minute"].as_i64().expect("when it begins") / 60
}

/// The values of one minute, each as often as it came.
fn values_of(minute: &Value) -> Vec<f64> {
    let values = minute["values"].as_array().into_iter().flatten();
    let counts = minute["counts"].as_array().into_iter().flatten();
    values
        .zip(counts)
        .flat_map(|(value, count)| {
            let times = usize::try_from(count.as_u64().expect("a count")).expect("few");
            std::iter::repeat_n(value.as_f64().expect("a number"), times)
        })
        .collect()
}

fn metric(one: &Value, resources: &[String]) -> MetricName {
    let logical = |name: &str| {
        let is_it = |logical_id: &&String| {
            name.strip_suffix(logical_id.as_str())
                .is_some_and(|before| before.ends_with(['-', '/']))
        };
        let local_api = (name == "local").then(|| "HttpApi".to_owned());
        resources.iter().find(is_it).cloned().or(local_api).unwrap_or_else(|| name.to_owned())
    };
    let dimensions: BTreeMap<String, String> =
        serde_json::from_value(one["dimensions"].clone()).expect("names and values");
    let named: Vec<_> =
        dimensions.iter().map(|(name, value)| (name.as_str(), logical(value))).collect();
    let named: Vec<_> = named.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let text = |field: &str| one[field].as_str().expect("a text");
    MetricName::new(text("namespace"), text("name"), &named)
}
