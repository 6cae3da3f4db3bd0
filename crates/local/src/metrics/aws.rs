//! The metrics of AWS's own services that the services on this machine know, with the names, units and dimensions
//! that AWS gives them.
//!
//! Not known here, and so not told: capacity consumed at the table, its throttling (there is none), access logs.

/// How values of a metric belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// They are added up.
    Counter,
    /// The last one counts.
    Gauge,
    /// Each counts by itself.
    Distribution,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) form: Form,
    pub(super) meaning: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $meaning:literal])+ $variant:ident: $namespace:literal $name:literal $unit:literal $form:ident;)+) => {
        /// A metric of one of AWS's services.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AwsMetric {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl AwsMetric {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(super) const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        namespace: $namespace,
                        name: $name,
                        unit: $unit,
                        form: Form::$form,
                        meaning: concat!($($meaning),+).trim_ascii(),
                    },)+
                }
            }
        }
    };
}

metrics! {
    /// Requests that reached the API.
    ApiCount: "AWS/ApiGateway" "Count" "Count" Counter;
    /// Requests answered with 4xx.
    Api4xx: "AWS/ApiGateway" "4xx" "Count" Counter;
    /// Requests answered with 5xx.
    Api5xx: "AWS/ApiGateway" "5xx" "Count" Counter;
    /// Time from a request's arrival to its answer.
    ApiLatency: "AWS/ApiGateway" "Latency" "Milliseconds" Distribution;
    /// Of this, the time in which the function was asked.
    ApiIntegrationLatency: "AWS/ApiGateway" "IntegrationLatency" "Milliseconds" Distribution;
    /// Invocations that a function took, failed ones included.
    LambdaInvocations: "AWS/Lambda" "Invocations" "Count" Counter;
    /// Of these, those that failed.
    LambdaErrors: "AWS/Lambda" "Errors" "Count" Counter;
    /// Invocations that found no environment.
    LambdaThrottles: "AWS/Lambda" "Throttles" "Count" Counter;
    /// Time an invocation took, without a cold start before it.
    LambdaDuration: "AWS/Lambda" "Duration" "Milliseconds" Distribution;
    /// Invocations under way when one began, itself included.
    LambdaConcurrentExecutions: "AWS/Lambda" "ConcurrentExecutions" "Count" Gauge;
    /// Messages sent to a queue by a client; those that SQS moves are not.
    SqsSent: "AWS/SQS" "NumberOfMessagesSent" "Count" Counter;
    /// Messages handed out, again each time.
    SqsReceived: "AWS/SQS" "NumberOfMessagesReceived" "Count" Counter;
    /// Messages deleted by a client.
    SqsDeleted: "AWS/SQS" "NumberOfMessagesDeleted" "Count" Counter;
    /// Receives that found no message.
    SqsEmptyReceives: "AWS/SQS" "NumberOfEmptyReceives" "Count" Counter;
    /// Messages that could be received now.
    SqsVisible: "AWS/SQS" "ApproximateNumberOfMessagesVisible" "Count" Gauge;
    /// Messages handed out or hidden until a retry.
    SqsNotVisible: "AWS/SQS" "ApproximateNumberOfMessagesNotVisible" "Count" Gauge;
    /// Messages sent with a delay that is not over.
    SqsDelayed: "AWS/SQS" "ApproximateNumberOfMessagesDelayed" "Count" Gauge;
    /// Age of the oldest message that was received three times at most.
    SqsOldest: "AWS/SQS" "ApproximateAgeOfOldestMessage" "Seconds" Gauge;
    /// Time that a call of the table took, if it did what was asked.
    TableLatency: "AWS/DynamoDB" "SuccessfulRequestLatency" "Milliseconds" Distribution;
    /// Bytes of log lines, with the 26 that CloudWatch adds to each.
    LogBytes: "AWS/Logs" "IncomingBytes" "Bytes" Counter;
}

impl AwsMetric {
    /// The metric of this name.
    pub(super) fn named(namespace: &str, name: &str) -> Option<Self> {
        let is_it =
            |metric: &&Self| metric.row().namespace == namespace && metric.row().name == name;
        Self::ALL.iter().find(is_it).copied()
    }
}
