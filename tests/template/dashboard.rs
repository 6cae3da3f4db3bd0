//! The dashboard: what on-call opens first answers questions, in an order, and says where the alarms are.

use std::collections::BTreeSet;

use relay_core::metrics::{DIMENSION, Metric, NAMESPACE};
use relay_tests::Template;
use relay_tests::cloudwatch::{
    Alarm, Dashboard, EmptyFill, MetricName, Monitoring, Series, Source, WidgetKind,
};

/// Columns of a dashboard.
const COLUMNS: u64 = 24;

/// The questions of the first row, in order.
const HEALTH: [&str; 5] = [
    "What share of messages is delivered?",
    "How fast are messages accepted?",
    "How long is it from acceptance to delivery?",
    "How old is the oldest message in the queue?",
    "How many dead letters are there?",
];

const SECTIONS: [&str; 6] =
    ["# Ingest", "# Queue", "# Worker", "# Targets", "# Dead letters", "# Cost"];

/// Which widget has the line of which alarm.
const LINES: [(&str, &str); 6] = [
    ("What share of messages is delivered?", "SuccessRateAlarm"),
    ("How fast are messages accepted?", "AcceptLatencyAlarm"),
    ("Where does the time of a request go?", "AcceptLatencyAlarm"),
    ("How many messages wait, are under way, or are delayed?", "QueueInFlightAlarm"),
    ("How long do messages wait for a worker?", "QueueWaitAlarm"),
    ("Do circuit breakers open?", "BreakerStormAlarm"),
];

#[test]
fn every_title_is_a_question_of_its_own() {
    let dashboard = Dashboard::read(&Template::load());
    let mut seen = BTreeSet::new();
    for widget in &dashboard.widgets {
        let is_text = matches!(widget.kind, WidgetKind::Text(_));
        assert!(is_text || widget.title.ends_with('?'), "{:?}", widget.title);
        assert!(is_text || seen.insert(&widget.title), "{:?} is asked twice", widget.title);
    }
}

#[test]
fn health_comes_first_and_each_part_has_its_heading() {
    let dashboard = Dashboard::read(&Template::load());
    let first: Vec<_> = dashboard.widgets.iter().filter(|widget| widget.place[1] == 0).collect();
    let titles: Vec<_> = first.iter().map(|widget| widget.title.as_str()).collect();
    assert_eq!(titles, HEALTH);
    let headings = dashboard.widgets.iter().filter_map(|widget| match &widget.kind {
        WidgetKind::Text(text) => Some(text.as_str()),
        WidgetKind::Metrics | WidgetKind::Alarms(_) => None,
    });
    assert_eq!(headings.collect::<Vec<_>>(), SECTIONS);
}

#[test]
fn no_widget_lies_on_another() {
    let dashboard = Dashboard::read(&Template::load());
    let mut taken = BTreeSet::new();
    for widget in &dashboard.widgets {
        let [left, top, width, height] = widget.place;
        assert!(left + width <= COLUMNS, "{:?} is too wide", widget.title);
        for cell in (left..left + width).flat_map(|x| (top..top + height).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{:?} lies on another at {cell:?}", widget.title);
        }
    }
}

#[test]
fn what_rings_is_shown_and_below_it_every_alarm_that_can_be_behind_it() {
    let template = Template::load();
    let dashboard = Dashboard::read(&template);
    let shown = dashboard.widgets.iter().filter_map(|widget| match &widget.kind {
        WidgetKind::Alarms(alarms) => Some(alarms.iter().map(String::as_str).collect()),
        WidgetKind::Metrics | WidgetKind::Text(_) => None,
    });
    let shown: Vec<BTreeSet<&str>> = shown.collect();
    let monitoring = Monitoring::read(&template);
    let ringing = monitoring.composites.iter().filter(|(_, composite)| composite.rings());
    let ringing = ringing.map(|(id, _)| id.as_str()).collect();
    let single = monitoring.alarms.keys().map(String::as_str).collect();
    assert_eq!(shown, [ringing, single]);
}

#[test]
fn the_lines_are_where_the_alarms_are() {
    let template = Template::load();
    let dashboard = Dashboard::read(&template);
    let mut drawn: Vec<_> = LINES.iter().map(|(title, _)| *title).collect();
    for (title, alarm) in LINES {
        let threshold = Alarm::read(&template, alarm).threshold();
        assert_eq!(dashboard.widget(title).thresholds, [threshold], "{title}");
    }
    let duration = "How long do invocations of the worker take?";
    let timeout = template.number("Resources/WorkerFunction/Properties/Timeout");
    assert_eq!(dashboard.widget(duration).thresholds, [timeout as f64 * 1000.0]);
    drawn.push(duration);
    for widget in &dashboard.widgets {
        let expected = drawn.contains(&widget.title.as_str());
        assert_eq!(!widget.thresholds.is_empty(), expected, "{}", widget.title);
    }
}

#[test]
fn every_line_has_a_value_as_soon_as_its_metrics_have() {
    let dashboard = Dashboard::read(&Template::load());
    for widget in &dashboard.widgets {
        let mut series = Series::default();
        for query in widget.queries() {
            let Source::Metric(metric, _) = &query.source else { continue };
            series.set(metric, 3, &[7.0]);
        }
        let shown: Vec<_> = widget.queries().iter().filter(|query| query.is_shown).collect();
        let values = widget.values(&series, 5);
        assert_eq!(values.len(), shown.len(), "{}: every line has a name of its own", widget.title);
        for (label, points) in values {
            assert_eq!(points.len(), 1, "{}: {label}: {points:?}", widget.title);
        }
    }
}

#[test]
fn the_share_that_is_delivered_counts_what_the_queue_gave_up_and_can_be_nothing() {
    let dashboard = Dashboard::read(&Template::load());
    let share_of = |values: &[(Metric, &str, f64)], empty_fill: EmptyFill| {
        let mut series = Series::default();
        series.empty_fill = empty_fill;
        for (metric, function, value) in values {
            let metric = MetricName::new(NAMESPACE, metric.name(), &[(DIMENSION, function)]);
            series.add(&metric, 0, &[*value]);
        }
        dashboard.widget(HEALTH[0]).totals(&series, 5).get("share").copied()
    };
    let delivered = (Metric::Delivered, "WorkerFunction", 90.0);
    let dead = (Metric::Dead, "WorkerFunction", 6.0);
    let moved = (Metric::Dead, "ReconcilerFunction", 4.0);
    for empty_fill in [EmptyFill::Filled, EmptyFill::Empty] {
        let share = |values: &[(Metric, &str, f64)]| share_of(values, empty_fill);
        assert_eq!(share(&[delivered, dead, moved]), Some(90.0));
        assert_eq!(share(&[dead]), Some(0.0));
        assert_eq!(share(&[delivered]), Some(100.0));
        assert_eq!(share(&[]), None);
    }
}
