//! An alarm on a metric or an expression: its definition, and the states it goes through.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use super::query::{Queries, Times};
use super::resolve::Resolver;
use super::{EmptyFill, MetricName, Minute, Query, Series, Source, Statistic};
use crate::Template;

/// Points that are looked at beyond the evaluated ones, so that older ones can stand in for missing ones. How many
/// AWS takes is told by an example alone: five for three.
const OLDER_POINTS: Minute = 2;

/// Seconds in the unit that the clock of a test counts.
const SECONDS_IN_MINUTE: f64 = 60.0;

/// What an alarm says. Without data it is what its treatment of missing data makes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// What the alarm is about is the case.
    Alarm,
}

/// What a missing point counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// As a good one.
    NotBreaching,
    /// As a bad one.
    Breaching,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
}

/// An `AWS::CloudWatch::Alarm`.
#[derive(Debug, Clone)]
pub struct Alarm {
    queries: Queries,
    comparison: Comparison,
    threshold: f64,
    /// Length of a period.
    pub period_minutes: Minute,
    /// M: so many points have to be beyond the threshold.
    pub datapoints_to_alarm: usize,
    /// N: of so many.
    pub evaluation_periods: usize,
    /// What silence means.
    pub missing: Missing,
}

impl Alarm {
    /// Reads the alarm of this logical id, under the defaults of all parameters.
    #[must_use]
    pub fn read(template: &Template, logical_id: &str) -> Self {
        Self::read_with(template, logical_id, &BTreeMap::new())
    }

    /// Reads the alarm of this logical id, under these values of parameters.
    #[must_use]
    pub fn read_with(
        template: &Template,
        logical_id: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Self {
        let resolver = Resolver::new(template, parameters);
        let properties = resolver.properties(logical_id);
        let mut periods = Vec::new();
        let queries = match properties.get("Metrics").and_then(Value::as_sequence) {
            Some(metrics) => {
                metrics.iter().map(|metric| read_query(&resolver, metric, &mut periods)).collect()
            }
            None => vec![read_single(&resolver, properties, &mut periods)],
        };
        periods.dedup();
        let [period_minutes] = periods.as_slice() else {
            panic!("{logical_id}: one length of periods, not {periods:?}")
        };
        let queries = Queries::new(queries);
        let shown = queries.all().iter().filter(|query| query.is_shown).count();
        assert_eq!(shown, 1, "{logical_id}: an alarm is about one of its queries");
        let number = |name: &str| {
            let number = resolver.number(&properties[name]);
            number.unwrap_or_else(|| panic!("{logical_id}: no {name}"))
        };
        Self {
            comparison: read_comparison(&resolver.wanted(&properties["ComparisonOperator"], "it")),
            threshold: number("Threshold"),
            period_minutes: *period_minutes,
            datapoints_to_alarm: whole(number("DatapointsToAlarm")),
            evaluation_periods: whole(number("EvaluationPeriods")),
            missing: read_missing(&resolver.wanted(&properties["TreatMissingData"], "it")),
            queries,
        }
    }

    /// What the alarm looks at.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        self.queries.all()
    }

    /// What values are compared with.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The state at the end of each minute from 0 on.
    #[must_use]
    pub fn states(&self, series: &Series, minutes: Minute) -> Vec<State> {
        // Each period belongs to the evaluations of several minutes; it is looked up once.
        let of = |index: usize| {
            let at = move |last| self.queries.statistic(index, series, last, self.period_minutes);
            (0..minutes).map(at).collect()
        };
        let known: Vec<Vec<Option<f64>>> = (0..self.queries.all().len()).map(of).collect();
        let at = |minute: Minute| {
            let statistic = |index: usize, last: Minute| {
                let period = (last, self.period_minutes);
                let early = self.queries.early_statistic(index, series, period, minute);
                early.unwrap_or_else(|| *known[index].get(usize::try_from(last).ok()?)?)
            };
            self.state(minute, series.empty_fill, &statistic)
        };
        (0..minutes).map(at).collect()
    }

    /// The state at the end of a minute: the periods that are looked at are the ones that end there and before.
    fn state(
        &self,
        minute: Minute,
        empty_fill: EmptyFill,
        statistic: &dyn Fn(usize, Minute) -> Option<f64>,
    ) -> State {
        let looked_at = 0..self.evaluation_periods as Minute + OLDER_POINTS;
        let lasts = looked_at.map(|back| minute - back * self.period_minutes).collect();
        let times = Times { lasts, statistic, empty_fill };
        let points = self.queries.shown(&times).next().map(|(_, points)| points);
        let there = points.into_iter().flatten().flatten();
        // Older points stand in for missing ones; only what is missing then is treated as such.
        let evaluated: Vec<f64> = there.take(self.evaluation_periods).collect();
        let missing = self.evaluation_periods - evaluated.len();
        let breaching = evaluated.iter().filter(|value| self.is_breaching(**value)).count()
            + if self.missing == Missing::Breaching { missing } else { 0 };
        if breaching >= self.datapoints_to_alarm { State::Alarm } else { State::Ok }
    }

    fn is_breaching(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Less => value < self.threshold,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the fraction and the sign are looked at"
)]
fn whole(number: f64) -> usize {
    assert!(number >= 1.0 && number.fract() == 0.0, "{number} is no count");
    number as usize
}

fn read_period(resolver: &Resolver<'_>, value: &Value) -> Minute {
    let seconds = resolver.number(value).expect("a metric has a period");
    whole(seconds / SECONDS_IN_MINUTE) as Minute
}

fn read_query(resolver: &Resolver<'_>, query: &Value, periods: &mut Vec<Minute>) -> Query {
    let source = if let Some(stat) = query.get("MetricStat") {
        periods.push(read_period(resolver, &stat["Period"]));
        let statistic = Statistic::parse(&resolver.wanted(&stat["Stat"], "Stat"));
        Source::Metric(read_metric(resolver, &stat["Metric"]), statistic)
    } else {
        Source::Expression(resolver.wanted(&query["Expression"], "Expression"))
    };
    let id = resolver.wanted(&query["Id"], "Id");
    let is_shown = resolver.text(&query["ReturnData"]).is_none_or(|returned| returned == "true");
    Query { label: id.clone(), id, source, is_shown }
}

/// The metric of an alarm that names it among its properties.
fn read_single(resolver: &Resolver<'_>, properties: &Value, periods: &mut Vec<Minute>) -> Query {
    periods.push(read_period(resolver, &properties["Period"]));
    let statistic = resolver.text(&properties["Statistic"]);
    let statistic = statistic.or_else(|| resolver.text(&properties["ExtendedStatistic"]));
    let statistic = Statistic::parse(&statistic.expect("an alarm has a statistic"));
    let source = Source::Metric(read_metric(resolver, properties), statistic);
    Query { id: String::new(), label: String::new(), source, is_shown: true }
}

fn read_metric(resolver: &Resolver<'_>, metric: &Value) -> MetricName {
    let dimensions = metric["Dimensions"].as_sequence().expect("a metric has dimensions").iter();
    let dimension = |one: &Value| {
        (resolver.wanted(&one["Name"], "Name"), resolver.wanted(&one["Value"], "Value"))
    };
    MetricName {
        namespace: resolver.wanted(&metric["Namespace"], "Namespace"),
        name: resolver.wanted(&metric["MetricName"], "MetricName"),
        dimensions: dimensions.map(dimension).collect(),
    }
}

fn read_comparison(name: &str) -> Comparison {
    match name {
        "GreaterThanThreshold" => Comparison::Greater,
        "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
        "LessThanThreshold" => Comparison::Less,
        other => panic!("unknown comparison {other}"),
    }
}

fn read_missing(name: &str) -> Missing {
    match name {
        "notBreaching" => Missing::NotBreaching,
        "breaching" => Missing::Breaching,
        other => panic!("unknown treatment of missing data {other}"),
    }
}
