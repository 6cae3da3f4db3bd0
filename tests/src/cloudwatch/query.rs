//! Metrics and expressions that refer to one another by ids, as alarms and widgets have them.

use super::expression::{Expression, Points, Surroundings};
use super::{EmptyFill, MetricName, Minute, Series, Statistic};

/// Expressions that refer to expressions, at most so deep: the template has two levels, and a circle ends.
const DEPTH_MAX: usize = 8;

/// One line of an alarm or a widget.
#[derive(Debug, Clone)]
pub struct Query {
    /// What expressions call it; empty where none does.
    pub id: String,
    /// What a widget calls it.
    pub label: String,
    /// Where it comes from.
    pub source: Source,
    /// Whether it is what is alarmed about or seen, or only a part of that.
    pub is_shown: bool,
}

/// Where the points of a query come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A statistic of a metric.
    Metric(MetricName, Statistic),
    /// Metric math over the other queries, as written.
    Expression(String),
}

/// The queries of one alarm or widget.
#[derive(Debug, Clone)]
pub(super) struct Queries {
    queries: Vec<Query>,
    /// What each of them says, if it is an expression.
    expressions: Vec<Option<Expression>>,
}

/// What is looked at: which times, and what metrics are there.
pub(super) struct Times<'a> {
    /// The last minutes of the periods.
    pub(super) lasts: Vec<Minute>,
    /// What the query of this index, a metric, is in the period that ends with this minute.
    pub(super) statistic: &'a dyn Fn(usize, Minute) -> Option<f64>,
    pub(super) empty_fill: EmptyFill,
}

impl Queries {
    /// Reads the expressions and checks that they name only what is there.
    pub(super) fn new(queries: Vec<Query>) -> Self {
        let read = |query: &Query| match &query.source {
            Source::Metric(..) => None,
            Source::Expression(text) => Some(Expression::parse(text)),
        };
        let expressions: Vec<_> = queries.iter().map(read).collect();
        for id in expressions.iter().flatten().flat_map(Expression::ids) {
            let known = queries.iter().filter(|other| other.id == id).count();
            assert_eq!(known, 1, "{id} is there {known} times");
        }
        Self { queries, expressions }
    }

    pub(super) fn all(&self) -> &[Query] {
        &self.queries
    }

    /// What a metric is in a period, once all of it is there; nothing of an expression.
    pub(super) fn statistic(
        &self,
        index: usize,
        series: &Series,
        last: Minute,
        period_minutes: Minute,
    ) -> Option<f64> {
        match &self.queries[index].source {
            Source::Metric(metric, statistic) => {
                series.statistic(metric, *statistic, last, period_minutes, last)
            }
            Source::Expression(_) => None,
        }
    }

    /// What a metric seems to be in a period, looked at in the minute `now` of it or after it: late values are
    /// missing. Nothing if none can be.
    pub(super) fn early_statistic(
        &self,
        index: usize,
        series: &Series,
        (last, period_minutes): (Minute, Minute),
        now: Minute,
    ) -> Option<Option<f64>> {
        let Source::Metric(metric, statistic) = &self.queries[index].source else { return None };
        let known = now - series.delay(metric);
        let early = || series.statistic(metric, *statistic, last, period_minutes, known);
        (known < last).then(early)
    }

    /// The points of every shown query.
    pub(super) fn shown<'a>(
        &'a self,
        times: &'a Times<'a>,
    ) -> impl Iterator<Item = (&'a Query, Points)> {
        let all = self.queries.iter().enumerate().filter(|(_, query)| query.is_shown);
        all.map(move |(index, query)| (query, self.points(index, times, DEPTH_MAX)))
    }

    fn points(&self, index: usize, times: &Times<'_>, depth: usize) -> Points {
        assert!(depth > 0, "expressions nest deeper than {DEPTH_MAX}");
        let Some(expression) = &self.expressions[index] else {
            return times.lasts.iter().map(|last| (times.statistic)(index, *last)).collect();
        };
        let points = |id: &str| {
            let named = self.queries.iter().position(|other| other.id == id);
            self.points(named.expect("ids are checked"), times, depth - 1)
        };
        let count = times.lasts.len();
        let over = Surroundings { points: &points, count, empty_fill: times.empty_fill };
        expression.evaluate(&over)
    }
}
