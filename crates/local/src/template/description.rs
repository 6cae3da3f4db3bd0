//! What the local stack is to run, in plain types: everything the template says and the stack honours.
//!
//! Reading happens beside it; nothing here parses.

use std::collections::BTreeMap;
use std::time::Duration;

/// The whole stack, as the template describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// Lambda functions, in template order.
    pub functions: Vec<Function>,
    /// Routes of the HTTP API.
    pub routes: Vec<Route>,
    /// CORS answers of the HTTP API, if it gives any.
    pub cors: Option<Cors>,
    /// Queues that invoke a function.
    pub event_sources: Vec<EventSource>,
    /// Schedules that invoke a function.
    pub schedules: Vec<Schedule>,
    /// SQS queues.
    pub queues: Vec<Queue>,
    /// DynamoDB tables.
    pub tables: Vec<Table>,
    /// S3 buckets.
    pub buckets: Vec<Bucket>,
    /// Secrets of Secrets Manager.
    pub secrets: Vec<Secret>,
    /// IAM roles. They are not enforced; a test compares them with the calls that were recorded.
    pub roles: Vec<Role>,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Name in the template, such as `WorkerFunction`.
    pub logical_id: String,
    /// Name of the function itself.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The program it runs, from `Metadata.BuildProperties.Binary`.
    pub binary: String,
    /// Longest an invocation may take.
    pub timeout: Duration,
    /// Memory it is told it has. Not a limit on one machine.
    pub memory_megabytes: u32,
    /// Environments that may exist at one time, where the template reserves a number.
    pub reserved_concurrency: Option<usize>,
    /// The log group of its lines, where the template names one.
    pub log_group: Option<String>,
    /// Environment variables, after substitution.
    pub environment: BTreeMap<String, String>,
    /// Logical id of its role, where the template defines that role itself.
    pub role: Option<String>,
    /// What becomes of asynchronous invocations that fail.
    pub asynchronous: AsynchronousInvocation,
}

/// What becomes of asynchronous invocations of a function that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsynchronousInvocation {
    /// Tries after the first.
    pub retries_max: u32,
    /// Age at which an event is dropped, whatever tries it has left.
    pub event_age_max: Duration,
}

impl AsynchronousInvocation {
    /// What Lambda does where the template says nothing, which is also the most that it does.
    pub const LAMBDA_DEFAULT: Self =
        Self { retries_max: 2, event_age_max: Duration::from_secs(6 * 60 * 60) };
}

/// One method and path pattern of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST`, … or `ANY`.
    pub method: String,
    /// Path pattern, such as `/v1/messages/{id}` or `/{proxy+}`.
    pub path: String,
    /// Logical id of the function that answers.
    pub function: String,
}

/// CORS as the gateway answers it. Names of headers are lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins that may call, or `*`.
    pub allow_origins: Vec<String>,
    /// Methods that may be used, or `*`.
    pub allow_methods: Vec<String>,
    /// Request headers that may be sent, or `*`.
    pub allow_headers: Vec<String>,
    /// Response headers that pages may read.
    pub expose_headers: Vec<String>,
    /// How long a preflight answer may be kept.
    pub max_age_seconds: Option<u64>,
    /// Whether cookies and the like may be sent along.
    pub allow_credentials: bool,
}

/// A queue that invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource {
    /// Logical id of the function.
    pub function: String,
    /// ARN of the queue.
    pub queue_arn: String,
    /// Name of the queue.
    pub queue_name: String,
    /// Most messages in one invocation.
    pub batch_size: usize,
    /// Longest a batch waits for more messages, counted from its first.
    pub window: Duration,
    /// Most invocations at one time, where the template says one.
    pub maximum_concurrency: Option<usize>,
    /// Whether the function's answer names the items that failed.
    pub report_batch_item_failures: bool,
    /// Whether anything is delivered. Where it is not, the queue keeps what it is sent.
    pub is_enabled: bool,
}

/// A schedule that invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Logical id of the function.
    pub function: String,
    /// ARN of the rule, which events name as their origin.
    pub rule_arn: String,
    /// Time from one run to the next.
    pub every: Duration,
}

/// An SQS queue. Where the template is silent, SQS's own defaults stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name in the template.
    pub logical_id: String,
    /// Name of the queue.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How long a received message stays hidden.
    pub visibility_timeout_seconds: u32,
    /// How long a message is kept.
    pub message_retention_seconds: u32,
    /// How long a receive waits for a message.
    pub receive_wait_seconds: u32,
    /// How long a sent message stays hidden at first.
    pub delay_seconds: u32,
    /// Largest message with its attributes, in bytes.
    pub maximum_message_bytes: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// The redrive policy of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// ARN of the dead-letter queue.
    pub dead_letter_queue_arn: String,
    /// Receives after which a message moves there.
    pub maximum_receive_count: u32,
}

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name in the template.
    pub logical_id: String,
    /// Name of the table.
    pub name: String,
    /// Body of the CreateTable request that makes it: names, key schema, indexes, billing mode.
    pub create_request: serde_json::Value,
    /// Attribute that holds the time an item expires, in epoch seconds.
    pub time_to_live_attribute: Option<String>,
}

/// An S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Name in the template.
    pub logical_id: String,
    /// Name of the bucket.
    pub name: String,
    /// What it expires, and when.
    pub lifecycle: Vec<Expiration>,
}

/// A lifecycle rule: objects under `prefix` are removed after so many days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiration {
    /// Start of the keys it covers.
    pub prefix: String,
    /// Age at which they go.
    pub days: u32,
}

/// A secret that is drawn once and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Name in the template.
    pub logical_id: String,
    /// Name of the secret.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The JSON object that the drawn text is put into.
    pub template: serde_json::Map<String, serde_json::Value>,
    /// Under which key.
    pub key: String,
    /// How many letters and digits are drawn.
    pub characters: usize,
}

/// An IAM role: what it allows and denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Name in the template.
    pub logical_id: String,
    /// What its inline policies allow.
    pub statements: Vec<Statement>,
    /// What they deny, whatever else allows it.
    pub denials: Vec<Denial>,
}

/// Actions allowed on resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Such as `sqs:SendMessage`.
    pub actions: Vec<String>,
    /// ARNs, possibly ending in `*`.
    pub resources: Vec<String>,
}

/// Actions denied on items of tables. An action is never denied for a whole resource: it would not be allowed first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The actions and the tables.
    pub of: Statement,
    /// Patterns of the partition keys that it is about, possibly ending in `*`.
    pub leading_keys: Vec<String>,
}

impl Description {
    /// The function with this logical id.
    #[must_use]
    pub fn function(&self, logical_id: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.logical_id == logical_id)
    }

    /// The role with this logical id.
    #[must_use]
    pub fn role(&self, logical_id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.logical_id == logical_id)
    }
}
