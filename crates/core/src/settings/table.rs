//! Every setting, once: the readers take names and defaults from here, and the documents are checked
//! against it.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// The value that counts when it is absent; `None` if it must be given.
    pub default: Option<&'static str>,
    /// The form of a good value.
    pub expects: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn required(name: &'static str, expects: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: None, expects, meaning }
}

const fn optional(
    name: &'static str,
    default: &'static str,
    expects: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { name, default: Some(default), expects, meaning }
}

/// Every setting, in the order the documents list them.
pub const ALL: &[Setting] = &[
    required("DYNAMODB_TABLE", "a table name", "The table of messages."),
    required("SQS_QUEUE_URL", "a queue URL", "The queue between ingest and worker."),
    required("SQS_DLQ_URL", "a queue URL", "The queue of dead letters (worker only)."),
    required("S3_BUCKET", "a bucket name", "The bucket of bodies that do not fit elsewhere."),
    optional(
        "MESSAGE_TTL_DAYS",
        "30",
        "a whole number from 1 to 365",
        "How long a message is kept, and how long its id is taken.",
    ),
    optional(
        "QUEUE_INLINE_BYTES_MAX",
        "262144",
        "a whole number from 1024 to 1044480",
        "Largest queue message, body and attributes included; a larger body goes through the bucket.",
    ),
    optional(
        "TABLE_INLINE_BYTES_MAX",
        "8192",
        "a whole number from 0 to 262144",
        "Largest body kept in the table; a larger one is kept in the bucket.",
    ),
    optional(
        "RETAIN_BODIES",
        "true",
        "true or false",
        "Whether a body that fits the queue is kept beside it, in table or bucket. Without, a delivered message has no body to show or to resend; one that dies keeps it for a redrive.",
    ),
    optional(
        "STATUS_TRACKING",
        "full",
        "full or lean",
        "Which steps are written down. `lean` writes neither QUEUED nor PROCESSING of a first attempt: cheaper, plain at-least-once delivery.",
    ),
    optional(
        "PAYLOAD_BYTES_MAX",
        "104857600",
        "a whole number from 1024 to 104857600",
        "Largest body of all, uploads included.",
    ),
    optional(
        "RETRY_ATTEMPTS_MAX",
        "3",
        "a whole number from 1 to 100",
        "Attempts before a message is dead, the first included.",
    ),
    optional(
        "RETRY_BASE_SECONDS",
        "10",
        "a number from 0.1 to 900",
        "Wait after the first failed attempt.",
    ),
    optional(
        "RETRY_FACTOR",
        "3",
        "a number from 1 to 10",
        "How many times longer each further wait is.",
    ),
    optional(
        "RETRY_DELAY_SECONDS_MAX",
        "900",
        "a number from 0.1 to 86400",
        "Longest wait between two attempts, a target's Retry-After included.",
    ),
    optional(
        "RETRY_VISIBILITY_SECONDS_MAX",
        "900",
        "a whole number from 1 to 900",
        "Longest wait that is spent hidden in the queue, where 120,000 messages at most may be; a longer one is spent as a delayed copy.",
    ),
    optional(
        "DELIVERY_TIMEOUT_SECONDS",
        "10",
        "a number from 0.1 to 60",
        "How long an attempt may take, besides the time its body needs.",
    ),
    optional(
        "DELIVERY_CONNECT_TIMEOUT_SECONDS",
        "2",
        "a number from 0.1 to 60",
        "How long connecting may take; never longer than the whole attempt.",
    ),
    optional(
        "DELIVERY_BYTES_PER_SECOND_MIN",
        "4194304",
        "a whole number from 65536 to 1073741824",
        "Slowest rate at which a body may be read and sent; the timeout grows by it.",
    ),
    optional(
        "DELIVERY_LEASE_SECONDS",
        "90",
        "a whole number from 1 to 900, longer than the longest attempt",
        "How long a worker holds a message for one attempt.",
    ),
    optional(
        "DELIVERY_CONCURRENCY",
        "10",
        "a whole number from 1 to 100",
        "Messages of one batch that are delivered at the same time.",
    ),
    optional(
        "DELIVERY_CONCURRENCY_PER_DESTINATION",
        "5",
        "a whole number from 1 to 100",
        "Messages of one batch that are delivered to the same destination at the same time: a slow one leaves room for the others.",
    ),
    optional(
        "BREAKER_FAILURES_MAX",
        "10",
        "a whole number from 0 to 1000",
        "Failures in a row after which a destination's circuit breaker opens; 0 turns breakers off.",
    ),
    optional(
        "BREAKER_FAILURE_PERCENT",
        "50",
        "a whole number from 1 to 100",
        "Share of failures among at least 20 outcomes within a minute that opens it too.",
    ),
    optional(
        "BREAKER_OPEN_SECONDS",
        "30",
        "a number from 3 to 3600",
        "How long it stays open before the destination is tried again; doubled each time that fails.",
    ),
    optional(
        "BREAKER_OPEN_SECONDS_MAX",
        "600",
        "a number from 3 to 3600",
        "How long it stays open at most; never shorter than BREAKER_OPEN_SECONDS.",
    ),
    optional(
        "BREAKER_RAMP_STEP_SECONDS",
        "20",
        "a number from 1 to 300",
        "How long each step back to full speed lasts: 4, 16, 64, 256, then 1024 attempts in all. Twice as long as an attempt, so that failures of those begun in its first half are known before the next step.",
    ),
    optional(
        "DELIVERY_DEADLINE_HOURS",
        "72",
        "a whole number from 1 to 312",
        "How long a message may wait for its delivery before it is dead.",
    ),
    optional(
        "FAIRNESS_KEY",
        "off",
        "off, sender or destination",
        "What the queue shares its workers out by (SQS fair queues).",
    ),
    optional(
        "DESTINATION_ALLOW",
        "",
        "a comma-separated list of hosts, addresses or CIDR blocks, each with an optional :port",
        "Targets that may be sent to although they are not public.",
    ),
    required(
        "MASTER_SECRET_ID",
        "a secret's name or ARN",
        "The secret in Secrets Manager that signing secrets are derived from (ingest and worker).",
    ),
    optional(
        "AUTHENTICATION",
        "keys",
        "keys or off",
        "Whether requests need an API key. `off` lets everybody do everything: for a laptop only.",
    ),
    optional(
        "AUTHENTICATION_CACHE_SECONDS",
        "60",
        "a whole number from 1 to 60",
        "How long what was read of an API key counts. A revoked or changed key is known as such everywhere after this.",
    ),
    optional(
        "AUTHENTICATION_FAILURES_MAX",
        "60",
        "a whole number from 0 to 1000000",
        "How often one source address may fail to authenticate at once; one more each second. Then it is refused unheard. 0 sets no limit.",
    ),
    optional(
        "RATE_LIMIT_PER_SECOND",
        "1000",
        "a whole number from 0 to 1000000",
        "Requests a second that an API key may make in the long run, unless the key has a limit of its own. 0 sets no limit.",
    ),
    optional(
        "RATE_LIMIT_BURST",
        "2000",
        "a whole number from 1 to 1000000",
        "Requests that it may make at once after a pause.",
    ),
    optional("METRICS", "emf", "emf, cloudwatch or off", "How metrics leave the functions."),
    optional("LOG_LEVEL", "info", "error, warn, info, debug or trace", "How much is logged."),
    optional(
        "LOG_SUCCESS_PERCENT",
        "100",
        "a whole number from 0 to 100",
        "Share of messages of which it is logged that all went well at once. A message is logged whole or, as long as it causes no trouble, not at all; everything else is always logged.",
    ),
];

/// The setting with this name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    ALL.iter().find(|setting| setting.name == name)
}
