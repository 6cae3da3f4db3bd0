//! The template's dashboard: its widgets, and what they show of a series.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::query::{Queries, Times};
use super::resolve::Resolver;
use super::{MetricName, Minute, Query, Series, Source, Statistic};
use crate::Template;

/// The dashboard's logical id.
const DASHBOARD: &str = "Dashboard";

/// Seconds in the unit that the clock of a test counts.
const SECONDS_IN_MINUTE: Minute = 60;

/// The template's dashboard.
#[derive(Debug)]
pub struct Dashboard {
    /// Its widgets, in order.
    pub widgets: Vec<Widget>,
}

/// What a widget is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WidgetKind {
    /// A graph of metrics.
    Metrics,
    /// The state of these alarms, by logical id.
    Alarms(Vec<String>),
    /// This text.
    Text(String),
}

/// One widget.
#[derive(Debug)]
pub struct Widget {
    /// The question that it answers; empty for a text.
    pub title: String,
    /// What it is.
    pub kind: WidgetKind,
    /// Left edge, top edge, width and height in the dashboard's grid.
    pub place: [u64; 4],
    /// The lines that are drawn across it.
    pub thresholds: Vec<f64>,
    queries: Queries,
    period_minutes: Minute,
}

impl Dashboard {
    /// Reads the dashboard of the template.
    #[must_use]
    pub fn read(template: &Template) -> Self {
        let parameters = BTreeMap::new();
        let resolver = Resolver::new(template, &parameters);
        let body = &resolver.properties(DASHBOARD)["DashboardBody"];
        let body = resolver.wanted(body, "DashboardBody");
        let body: Json = serde_json::from_str(&body).expect("the dashboard's body is JSON");
        Self { widgets: list(&body["widgets"]).iter().map(read_widget).collect() }
    }

    /// The widget with this title.
    #[must_use]
    pub fn widget(&self, title: &str) -> &Widget {
        let found = self.widgets.iter().find(|widget| widget.title == title);
        found.unwrap_or_else(|| panic!("the dashboard has no widget {title:?}"))
    }
}

impl Widget {
    /// Everything that it reads, shown or not.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        self.queries.all()
    }

    /// What each of its lines shows of the first `minutes` of `series`: by label, the points with the first minute
    /// of their period.
    #[must_use]
    pub fn values(&self, series: &Series, minutes: Minute) -> BTreeMap<String, Vec<(Minute, f64)>> {
        let period_minutes = self.period_minutes;
        let firsts = (0..minutes).filter(|minute| minute.rem_euclid(period_minutes) == 0);
        let lasts = firsts.map(|first| first + period_minutes - 1).collect();
        let statistic = |index, last| self.queries.statistic(index, series, last, period_minutes);
        let times = Times { lasts, statistic: &statistic, empty_fill: series.empty_fill };
        let line = |(query, points): (&Query, Vec<Option<f64>>)| {
            let all = times.lasts.iter().zip(points);
            let there = all.filter_map(|(last, value)| Some((last - period_minutes + 1, value?)));
            (query.label.clone(), there.collect())
        };
        self.queries.shown(&times).map(line).collect()
    }

    /// What each of its lines says of the first `minutes` of `series` as a whole, as if that were one period: the sum
    /// of counters, the percentile of all values. A line without a value is left out.
    #[must_use]
    pub fn totals(&self, series: &Series, minutes: Minute) -> BTreeMap<String, f64> {
        let statistic = |index, last| self.queries.statistic(index, series, last, minutes);
        let lasts = vec![minutes - 1];
        let times = Times { lasts, statistic: &statistic, empty_fill: series.empty_fill };
        let shown = self.queries.shown(&times);
        shown.filter_map(|(query, points)| Some((query.label.clone(), points[0]?))).collect()
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap_or_else(|| panic!("a list, not {value}"))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

fn read_widget(widget: &Json) -> Widget {
    let properties = &widget["properties"];
    let title = properties["title"].as_str().unwrap_or_default().to_owned();
    let (kind, queries) = match text(&widget["type"]) {
        "metric" => {
            let all = list(&properties["metrics"]).iter();
            (WidgetKind::Metrics, all.map(|query| read_query(query, properties)).collect())
        }
        "alarm" => {
            let all = list(&properties["alarms"]).iter();
            (WidgetKind::Alarms(all.map(|alarm| text(alarm).to_owned()).collect()), Vec::new())
        }
        "text" => (WidgetKind::Text(text(&properties["markdown"]).to_owned()), Vec::new()),
        other => panic!("unknown widget {other}"),
    };
    let number = |name: &str| widget[name].as_u64().unwrap_or_else(|| panic!("{title}: no {name}"));
    let lines = properties["annotations"]["horizontal"].as_array();
    let lines = lines.map(Vec::as_slice).unwrap_or_default();
    let seconds = properties["period"].as_i64().unwrap_or(SECONDS_IN_MINUTE);
    Widget {
        place: ["x", "y", "width", "height"].map(number),
        thresholds: lines.iter().filter_map(|line| line["value"].as_f64()).collect(),
        queries: Queries::new(queries),
        period_minutes: seconds.div_euclid(SECONDS_IN_MINUTE),
        title,
        kind,
    }
}

/// `[namespace, name, dimension, value, …, {options}]` or `[{expression, …}]`. Whoever draws a graph may leave out
/// what the line above says; this dashboard says everything.
fn read_query(query: &Json, widget: &Json) -> Query {
    let parts = list(query);
    let options = parts.last().filter(|last| last.is_object()).unwrap_or(&Json::Null);
    let names: Vec<&str> = parts.iter().filter(|part| !part.is_object()).map(text).collect();
    let id = options["id"].as_str().unwrap_or_default().to_owned();
    let is_shown = options["visible"].as_bool().unwrap_or(true);
    let label = options["label"].as_str();
    if let Some(expression) = options["expression"].as_str() {
        assert!(names.is_empty(), "an expression has no names: {query}");
        let label = label.expect("an expression has a label").to_owned();
        return Query { id, label, source: Source::Expression(expression.to_owned()), is_shown };
    }
    let [namespace, name, dimensions @ ..] = names.as_slice() else { panic!("no metric: {query}") };
    let pairs = dimensions.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "a dimension has a value: {query}");
    let pairs: Vec<_> = pairs.map(|pair| (pair[0], pair[1])).collect();
    let statistic = options["stat"].as_str().or_else(|| widget["stat"].as_str());
    let statistic = Statistic::parse(statistic.expect("a metric has a statistic"));
    let source = Source::Metric(MetricName::new(namespace, name, &pairs), statistic);
    Query { id, label: label.unwrap_or(name).to_owned(), source, is_shown }
}
