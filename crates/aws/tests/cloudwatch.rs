//! `METRICS=cloudwatch` against something that speaks CloudWatch's protocol: what is put by the emitter is read back
//! by the SDK. Runs where `AWS_ENDPOINT_URL_CLOUDWATCH` says that there is such a thing:
//!
//! ```sh
//! AWS_ENDPOINT_URL_CLOUDWATCH=http://127.0.0.1:4566 cargo test -p relay-aws --test cloudwatch -- --ignored
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Credentials;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric as Named, MetricDataQuery, MetricStat};
use relay_aws::{Clients, Emitter, Endpoints};
use relay_core::metrics::{DIMENSION, Metric, NAMESPACE, Recorder};
use relay_core::settings::Metrics;

const ENDPOINT: &str = "AWS_ENDPOINT_URL_CLOUDWATCH";
/// Requests below this size are not compressed; the values here are to be above it.
const COMPRESSED_BYTES_MIN: usize = 10_240;
const VALUES: u64 = 2000;

fn config() -> aws_config::ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-2"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
}

/// The statistic over the last ten minutes, all minutes added up.
async fn statistic(client: &Client, function: &str, metric: Metric, statistic: &str) -> f64 {
    let dimension = Dimension::builder().name(DIMENSION).value(function).build();
    let metric = Named::builder().namespace(NAMESPACE).metric_name(metric.name());
    let metric = metric.dimensions(dimension).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat(statistic).build();
    let query = MetricDataQuery::builder().id("asked").metric_stat(stat).build();
    let now = SystemTime::now();
    let answer = client
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from(now - Duration::from_secs(600)))
        .end_time(DateTime::from(now + Duration::from_secs(60)))
        .send()
        .await
        .unwrap();
    let values = answer.metric_data_results()[0].values();
    match statistic {
        "Maximum" => values.iter().copied().fold(f64::MIN, f64::max),
        "Minimum" => values.iter().copied().fold(f64::MAX, f64::min),
        _ => values.iter().sum(),
    }
}

#[tokio::test]
#[ignore = "needs a CloudWatch at AWS_ENDPOINT_URL_CLOUDWATCH"]
async fn what_is_put_is_read_back() {
    let url =
        std::env::var(ENDPOINT).expect("AWS_ENDPOINT_URL_CLOUDWATCH says where CloudWatch is");
    let endpoints = Endpoints { cloudwatch: Some(url.clone()), ..Endpoints::default() };
    let clients = Clients::load(config(), endpoints).await;
    let recorder = Arc::new(Recorder::default());
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let function = format!("check-{started}");
    let emitter = Emitter::new(Metrics::Cloudwatch, &clients, Arc::clone(&recorder), &function);
    let ended = emitter.serving(async {
        for value in 1..=VALUES {
            let work = async {
                recorder.add(Metric::Delivered, 2);
                recorder.add(Metric::AttemptMilliseconds, value);
                recorder.add(Metric::BatchSize, 1 + value % 10);
            };
            emitter.invocation(work).await;
        }
    });
    assert_eq!(ended.await, Some(()));

    let shared = config().load().await;
    let config = aws_sdk_cloudwatch::config::Builder::from(&shared).endpoint_url(url).build();
    let client = Client::from_conf(config);
    let read = |metric, asked: &'static str| statistic(&client, &function, metric, asked);
    let count = VALUES as f64;
    assert_eq!(read(Metric::Delivered, "Sum").await, count * 2.0);
    assert_eq!(read(Metric::ColdStarts, "Sum").await, 1.0);
    assert_eq!(read(Metric::BatchSize, "SampleCount").await, count);
    assert_eq!(read(Metric::BatchSize, "Sum").await, count * 5.5);
    assert_eq!(read(Metric::AttemptMilliseconds, "SampleCount").await, count);
    assert_eq!(read(Metric::AttemptMilliseconds, "Minimum").await, 1.0);
    assert_eq!(read(Metric::AttemptMilliseconds, "Maximum").await, count);
    let sum = read(Metric::AttemptMilliseconds, "Sum").await;
    let exact = count * (count + 1.0) / 2.0;
    assert!((sum - exact).abs() <= exact * 0.004, "{sum} is not near {exact}");
    assert!(VALUES as usize * 8 > COMPRESSED_BYTES_MIN, "this is about a compressed request");
}
