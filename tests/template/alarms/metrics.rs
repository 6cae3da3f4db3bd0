//! What alarms and dashboard look at exists: the relay's own metrics in the code's table, those of AWS in the one
//! below, both with the dimensions that they are written with and a statistic that says something.

use std::collections::BTreeSet;

use relay_core::metrics::{DIMENSION, Kind, Metric, NAMESPACE, Recording};
use relay_tests::Template;
use relay_tests::cloudwatch::{Dashboard, MetricName, Monitoring, Source, Statistic};

use super::traffic::{INGEST, RECONCILER, WORKER};

/// Names and dimensions as the user guides of the services list them, under "metrics" of Amazon SQS, AWS Lambda,
/// API Gateway (HTTP APIs), DynamoDB and CloudWatch Logs.
const OF_AWS: &[(&str, &[&str], &[&str])] = &[
    (
        "AWS/SQS",
        &["QueueName"],
        &[
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfEmptyReceives",
            "NumberOfMessagesDeleted",
            "NumberOfMessagesReceived",
            "NumberOfMessagesSent",
        ],
    ),
    (
        "AWS/Lambda",
        &["FunctionName"],
        &["ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles"],
    ),
    ("AWS/ApiGateway", &["ApiId"], &["4xx", "5xx", "Count", "IntegrationLatency", "Latency"]),
    (
        "AWS/DynamoDB",
        &["TableName"],
        &[
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
        ],
    ),
    (
        "AWS/DynamoDB",
        &["GlobalSecondaryIndexName", "TableName"],
        &["ConsumedWriteCapacityUnits", "WriteThrottleEvents"],
    ),
    ("AWS/DynamoDB", &["Operation", "TableName"], &["SuccessfulRequestLatency"]),
    ("AWS/Logs", &["LogGroupName"], &["IncomingBytes"]),
];

/// The type of resource whose name is the value of a dimension.
const NAMED_BY: &[(&str, &str)] = &[
    ("QueueName", "AWS::SQS::Queue"),
    ("FunctionName", "AWS::Serverless::Function"),
    ("ApiId", "AWS::Serverless::HttpApi"),
    ("TableName", "AWS::DynamoDB::Table"),
    ("LogGroupName", "AWS::Logs::LogGroup"),
];

/// A distribution whose sum means something: the items of all batches.
const SUMMED: Metric = Metric::BatchSize;

/// The functions that record a metric, by logical id.
fn functions_of(recording: Recording) -> &'static [&'static str] {
    match recording {
        Recording::Ingest => &[INGEST],
        Recording::Worker => &[WORKER],
        Recording::Reconciler => &[RECONCILER],
        Recording::IngestAndWorker => &[INGEST, WORKER],
        Recording::WorkerAndReconciler => &[WORKER, RECONCILER],
        Recording::All => &[INGEST, WORKER, RECONCILER],
    }
}

/// Everything that is looked at, with who looks.
fn looked_at() -> Vec<(String, MetricName, Statistic)> {
    let template = Template::load();
    let alarms = Monitoring::read(&template).alarms;
    let of_alarms = alarms.iter().flat_map(|(id, alarm)| {
        alarm.queries().iter().map(move |query| (id.clone(), query.clone()))
    });
    let dashboard = Dashboard::read(&template);
    let of_widgets = dashboard.widgets.iter().flat_map(|widget| {
        widget.queries().iter().map(move |query| (widget.title.clone(), query.clone()))
    });
    let metric = |(who, query): (String, relay_tests::cloudwatch::Query)| match query.source {
        Source::Metric(metric, statistic) => Some((who, metric, statistic)),
        Source::Expression(_) => None,
    };
    of_alarms.chain(of_widgets).filter_map(metric).collect()
}

/// The row of the code's table for a metric that claims to be the relay's own.
fn own(metric: &MetricName) -> Option<Metric> {
    Metric::ALL.iter().copied().find(|own| own.name() == metric.name)
}

#[test]
fn the_relay_s_metrics_are_recorded_by_the_functions_that_they_are_looked_for_at() {
    for (who, metric, _) in
        looked_at().iter().filter(|(_, metric, _)| metric.namespace == NAMESPACE)
    {
        let own = own(metric).unwrap_or_else(|| panic!("{who}: no metric {}", metric.name));
        let dimensions: Vec<_> = metric.dimensions.iter().collect();
        let [(name, function)] = dimensions.as_slice() else { panic!("{who}: one dimension") };
        assert_eq!(*name, DIMENSION, "{who}");
        let recorders = functions_of(own.definition().by);
        assert!(recorders.contains(&function.as_str()), "{who}: {} of {function}", metric.name);
    }
}

#[test]
fn the_metrics_of_aws_are_known_and_have_all_their_dimensions() {
    let template = Template::load();
    for (who, metric, _) in
        looked_at().iter().filter(|(_, metric, _)| metric.namespace != NAMESPACE)
    {
        let dimensions: Vec<_> = metric.dimensions.keys().map(String::as_str).collect();
        let known = OF_AWS.iter().any(|(namespace, with, names)| {
            *namespace == metric.namespace && *with == dimensions && names.contains(&&*metric.name)
        });
        assert!(known, "{who}: {metric:?}");
        for (dimension, value) in &metric.dimensions {
            let Some((_, kind)) = NAMED_BY.iter().find(|(name, _)| name == dimension) else {
                continue;
            };
            assert!(template.resources(kind).contains(&value.as_str()), "{who}: no {kind} {value}");
        }
    }
}

#[test]
fn every_statistic_says_something_of_its_metric() {
    for (who, metric, statistic) in looked_at() {
        if metric.namespace != NAMESPACE {
            continue;
        }
        let own = own(&metric).unwrap_or_else(|| panic!("{who}: no metric {}", metric.name));
        let fits = match (own.definition().kind, statistic) {
            (Kind::Counter, statistic) => statistic == Statistic::Sum,
            (Kind::Distribution, Statistic::Sum) => own == SUMMED,
            // No batch is empty and nothing takes no time at all: the least of them tells nothing.
            (Kind::Distribution, Statistic::Minimum) => false,
            (
                Kind::Distribution,
                Statistic::Average
                | Statistic::Maximum
                | Statistic::SampleCount
                | Statistic::Percentile(_),
            ) => true,
        };
        assert!(fits, "{who}: {statistic:?} of {}", metric.name);
    }
}

#[test]
fn everything_that_the_relay_records_is_on_the_dashboard() {
    let dashboard = Dashboard::read(&Template::load());
    let all = dashboard.widgets.iter().flat_map(|widget| widget.queries());
    let drawn: BTreeSet<_> = all
        .filter_map(|query| match &query.source {
            Source::Metric(metric, _) if metric.namespace == NAMESPACE => {
                Some((metric.name.as_str(), metric.dimensions[DIMENSION].as_str()))
            }
            Source::Metric(..) | Source::Expression(_) => None,
        })
        .collect();
    let recorded = Metric::ALL.iter().flat_map(|metric| {
        let functions = functions_of(metric.definition().by).iter();
        functions.map(|function| (metric.name(), *function))
    });
    assert_eq!(drawn, recorded.collect());
}
