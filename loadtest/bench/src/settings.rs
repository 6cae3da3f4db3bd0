//! The environment of a function under test: the shipped defaults but for what says where things are, for keys, which
//! are read once a minute and would only add noise, and for the share of plain success that is logged, which is what
//! anybody has who measures.

use std::collections::BTreeMap;

use crate::stub::Stub;

/// How much of a message's life is written, and whether bodies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Every step, bodies kept: the default.
    Full,
    /// Acceptance and end, bodies not kept where they fit the queue.
    Lean,
}

impl Profile {
    /// As it is called in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Lean => "lean",
        }
    }
}

/// The variables of ingest or worker beside `stub`.
#[must_use]
pub fn variables(stub: &Stub, profile: Profile) -> BTreeMap<String, String> {
    let url = stub.url();
    let pairs = [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIABENCH".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_ENDPOINT_URL", url.clone()),
        ("DYNAMODB_TABLE", "messages".to_owned()),
        ("SQS_QUEUE_URL", format!("{url}/1/queue")),
        ("SQS_DLQ_URL", format!("{url}/1/dead")),
        ("S3_BUCKET", "bodies".to_owned()),
        ("MASTER_SECRET_ID", "master".to_owned()),
        ("AUTHENTICATION", "off".to_owned()),
        ("DESTINATION_ALLOW", "127.0.0.0/8".to_owned()),
        ("LOG_LEVEL", "info".to_owned()),
        ("LOG_SUCCESS_PERCENT", "1".to_owned()),
        ("METRICS", "emf".to_owned()),
    ];
    let mut variables: BTreeMap<_, _> =
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if profile == Profile::Lean {
        variables.insert("STATUS_TRACKING".to_owned(), "lean".to_owned());
        variables.insert("RETAIN_BODIES".to_owned(), "false".to_owned());
    }
    variables
}
