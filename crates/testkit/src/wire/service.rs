//! The three services: how each one says that it cannot serve a call now.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;

/// A service that the relay calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The table.
    DynamoDb,
    /// The queues.
    Sqs,
    /// The bucket.
    S3,
}

/// One error that a service answers with when it is the service's fault.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The code that clients recognise it by.
    pub code: &'static str,
    status: u16,
    /// What stands before the code in the JSON of the answer.
    namespace: &'static str,
}

const DYNAMODB_NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810#";
const SQS_NAMESPACE: &str = "com.amazonaws.sqs#";
/// Of errors that the front of a service gives, before the service itself sees a call.
const FRONT_NAMESPACE: &str = "com.amazon.coral.availability#";

const fn answer(code: &'static str, status: u16, namespace: &'static str) -> ErrorAnswer {
    ErrorAnswer { code, status, namespace }
}

static DYNAMODB_ERRORS: [ErrorAnswer; 4] = [
    answer("ProvisionedThroughputExceededException", 400, DYNAMODB_NAMESPACE),
    answer("ThrottlingException", 400, FRONT_NAMESPACE),
    answer("RequestLimitExceeded", 400, DYNAMODB_NAMESPACE),
    answer("InternalServerError", 500, DYNAMODB_NAMESPACE),
];
static SQS_ERRORS: [ErrorAnswer; 5] = [
    answer("RequestThrottled", 400, SQS_NAMESPACE),
    answer("ThrottlingException", 400, FRONT_NAMESPACE),
    answer("KmsThrottled", 400, SQS_NAMESPACE),
    answer("InternalFailure", 500, SQS_NAMESPACE),
    answer("ServiceUnavailable", 503, SQS_NAMESPACE),
];
static S3_ERRORS: [ErrorAnswer; 3] = [
    answer("SlowDown", 503, ""),
    answer("InternalError", 500, ""),
    answer("ServiceUnavailable", 503, ""),
];

impl Service {
    /// The service as reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::S3 => "s3",
        }
    }

    /// The errors it gives, throttling first.
    #[must_use]
    pub fn errors(self) -> &'static [ErrorAnswer] {
        match self {
            Self::DynamoDb => &DYNAMODB_ERRORS,
            Self::Sqs => &SQS_ERRORS,
            Self::S3 => &S3_ERRORS,
        }
    }

    /// The error of this code, if the service gives it.
    #[must_use]
    pub fn error(self, code: &str) -> Option<&'static ErrorAnswer> {
        self.errors().iter().find(|error| error.code == code)
    }

    /// The error as it goes over the wire.
    pub(super) fn answer(self, error: &ErrorAnswer) -> Response<Full<Bytes>> {
        let code = error.code;
        let (kind, text) = match self {
            Self::DynamoDb | Self::Sqs => {
                let namespace = error.namespace;
                let text = format!("{{\"__type\":\"{namespace}{code}\",\"message\":\"a fault\"}}");
                ("application/x-amz-json-1.0", text)
            }
            Self::S3 => {
                let text = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>a fault</Message><RequestId>0</RequestId></Error>"
                );
                ("application/xml", text)
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if self == Self::Sqs {
            let fault = if error.status < 500 { "Sender" } else { "Receiver" };
            if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
                headers.insert("x-amzn-query-error", value);
            }
        }
        if self == Self::S3 && error.status == 503 {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("0"));
        }
        response
    }
}
