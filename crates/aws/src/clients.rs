//! The clients of the services, built once at start: finding credentials and setting up TLS
//! takes longer than any call. Chooses retries and timeouts; calls nothing.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};

use crate::http::Http;

/// Tries of one call. A third one passes over a single bad host or a moment of throttling; what
/// lasts longer is for the client's own retry, or the queue's.
const TRIES_MAX: u32 = 3;
/// The wait before the second try, at most; doubled for the third. The SDK's own second would use up
/// most of the time an HTTP client is kept waiting.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Connecting within a region takes milliseconds; whatever takes a second will not connect at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One try at the table or the queue, which answer within tens of milliseconds.
const CALL_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// All tries at the table or the queue. Accepting a message makes three calls one after the other;
/// a single bad service is reported well before the gateway's 30 s are over.
const CALL_TIMEOUT: Duration = Duration::from_secs(7);
/// The only try at CloudWatch within one flush. An invocation waits for it; what was not sent is sent with the next.
const METRICS_TIMEOUT: Duration = Duration::from_secs(2);
/// One try at the bucket until its answer begins; the body that follows is not counted. Long enough
/// for the copy of a 100 MiB upload.
const BODY_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// All tries at the bucket: within the ingest function's 29 s.
const BODY_TIMEOUT: Duration = Duration::from_secs(25);

/// Where the services are, if not where AWS has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The table service.
    pub dynamodb: Option<String>,
    /// The queue service.
    pub sqs: Option<String>,
    /// The bucket service; it is then called with the bucket in the path, not in the host name.
    pub s3: Option<String>,
    /// The service that keeps the master secrets.
    pub secrets_manager: Option<String>,
    /// The service that takes metrics, where they are sent to it.
    pub cloudwatch: Option<String>,
}

impl Endpoints {
    /// As the SDK's own variables have it: `AWS_ENDPOINT_URL_DYNAMODB`, `_SQS`, `_S3`,
    /// `_SECRETS_MANAGER`, `_CLOUDWATCH`, or `AWS_ENDPOINT_URL` for those that are not set.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let of = |name: &str| {
            let own = lookup(name).filter(|url| !url.is_empty());
            own.or_else(|| lookup("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()))
        };
        Self {
            dynamodb: of("AWS_ENDPOINT_URL_DYNAMODB"),
            sqs: of("AWS_ENDPOINT_URL_SQS"),
            s3: of("AWS_ENDPOINT_URL_S3"),
            secrets_manager: of("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            cloudwatch: of("AWS_ENDPOINT_URL_CLOUDWATCH"),
        }
    }
}

/// The clients of the services. Copies share their connections.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) secrets_manager: aws_sdk_secretsmanager::Client,
    shared: SdkConfig,
    cloudwatch_endpoint: Option<String>,
}

impl Clients {
    /// Clients with region, credentials and endpoints from the environment.
    pub async fn from_env() -> Self {
        let endpoints = Endpoints::read(&|name| std::env::var(name).ok());
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(Http::default());
        Self::load(loader, endpoints).await
    }

    /// Clients with what `loader` finds, at `endpoints`. Retries and timeouts are set here in any case.
    pub async fn load(loader: ConfigLoader, endpoints: Endpoints) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES_MAX)
            .with_initial_backoff(BACKOFF_FIRST);
        let shared = loader.retry_config(retries).load().await;
        let calls = timeouts(CALL_ATTEMPT_TIMEOUT, CALL_TIMEOUT);
        let mut dynamodb =
            aws_sdk_dynamodb::config::Builder::from(&shared).timeout_config(calls.clone());
        dynamodb.set_endpoint_url(endpoints.dynamodb);
        let mut sqs = aws_sdk_sqs::config::Builder::from(&shared).timeout_config(calls.clone());
        sqs.set_endpoint_url(endpoints.sqs);
        let mut secrets_manager =
            aws_sdk_secretsmanager::config::Builder::from(&shared).timeout_config(calls);
        secrets_manager.set_endpoint_url(endpoints.secrets_manager);
        // Bodies carry their SHA-256, which their reader checks: the SDK's own checksums would be a
        // second pass over every byte, and would get into the signed upload links.
        let mut s3 = aws_sdk_s3::config::Builder::from(&shared)
            .timeout_config(timeouts(BODY_ATTEMPT_TIMEOUT, BODY_TIMEOUT))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .force_path_style(endpoints.s3.is_some());
        s3.set_endpoint_url(endpoints.s3);
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            secrets_manager: aws_sdk_secretsmanager::Client::from_conf(secrets_manager.build()),
            shared,
            cloudwatch_endpoint: endpoints.cloudwatch,
        }
    }

    /// A client of CloudWatch, made when it is asked for: few functions send metrics to it.
    pub(crate) fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        let mut cloudwatch = aws_sdk_cloudwatch::config::Builder::from(&self.shared)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(METRICS_TIMEOUT, METRICS_TIMEOUT));
        cloudwatch.set_endpoint_url(self.cloudwatch_endpoint.clone());
        aws_sdk_cloudwatch::Client::from_conf(cloudwatch.build())
    }
}

fn timeouts(attempt: Duration, whole: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(whole)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_endpoint_goes_before_the_common_one() {
        let endpoints = Endpoints::read(&|name| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:1".to_owned()),
            "AWS_ENDPOINT_URL_S3" => Some("http://127.0.0.1:2".to_owned()),
            "AWS_ENDPOINT_URL_SQS" => Some(String::new()),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("http://127.0.0.1:3".to_owned()),
            _ => None,
        });
        assert_eq!(endpoints.s3.as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(endpoints.sqs.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(endpoints.secrets_manager.as_deref(), Some("http://127.0.0.1:3"));
        assert_eq!(endpoints.dynamodb.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(Endpoints::read(&|_| None), Endpoints::default());
    }

    #[test]
    fn every_try_and_the_waits_between_them_fit_into_the_whole() {
        let waits = BACKOFF_FIRST * 3;
        assert!(CALL_ATTEMPT_TIMEOUT * TRIES_MAX + waits <= CALL_TIMEOUT);
        assert!(BODY_ATTEMPT_TIMEOUT < BODY_TIMEOUT);
    }
}
