//! Everything a call can be refused for, and the codes Amazon's service gives it. Answers in the
//! JSON protocol carry the shape's name in `__type`; clients grown up on the older query protocol
//! read its code from the header `x-amzn-query-error`.

use super::limits;

/// Why a call to the queue server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqsError {
    /// No queue of that name.
    #[error("the queue {0:?} does not exist")]
    QueueDoesNotExist(String),
    /// `CreateQueue` with other attributes than the queue has.
    #[error("the queue {queue} already exists with a different value for attribute {attribute}")]
    QueueNameExists {
        /// The queue's name.
        queue: String,
        /// The first attribute that differs.
        attribute: String,
    },
    /// An attribute name the service does not know.
    #[error("unknown attribute {0}")]
    InvalidAttributeName(String),
    /// A queue attribute with a value outside its range.
    #[error("invalid value for the parameter {attribute}: {reason}")]
    InvalidAttributeValue {
        /// The attribute's name.
        attribute: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// Any other argument that is wrong; the text names it.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A required argument is absent or empty.
    #[error("the request must contain the parameter {0}")]
    MissingParameter(&'static str),
    /// A character outside the set a message may hold.
    #[error(
        "invalid characters found (U+{0:04X}): valid unicode characters are #x9 | #xA | #xD | \
         #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents(u32),
    /// A batch call without entries.
    #[error("there should be at least one entry in the request")]
    EmptyBatchRequest,
    /// A batch call with too many entries.
    #[error("a batch holds at most {max} entries, this one has {0}", max = limits::BATCH_ENTRIES_MAX)]
    TooManyEntriesInBatchRequest(usize),
    /// Two entries of a batch share an id.
    #[error("the entry id {0} is repeated")]
    BatchEntryIdsNotDistinct(String),
    /// An entry id that is not 1 to 80 letters, digits, hyphens and underscores.
    #[error("the batch entry id {0:?} is not 1 to 80 letters, digits, hyphens or underscores")]
    InvalidBatchEntryId(String),
    /// The messages of a batch are too long together.
    #[error("a batch holds at most {max} bytes, this one has {0}", max = limits::BATCH_BYTES_MAX)]
    BatchRequestTooLong(usize),
    /// The text is no receipt handle of this queue.
    #[error("the input receipt handle is not a valid receipt handle of this queue")]
    ReceiptHandleIsInvalid,
    /// The message is not hidden by a receive.
    #[error("the specified message is not in flight")]
    MessageNotInflight,
    /// A short poll met the limit of messages in flight.
    #[error("the queue has {max} messages in flight, the most it may have", max = limits::IN_FLIGHT_MESSAGES_MAX)]
    OverLimit,
    /// A purge within a minute of the last.
    #[error("the queue {0} was purged within the last {seconds} seconds", seconds = limits::PURGE_INTERVAL_SECONDS)]
    PurgeQueueInProgress(String),
    /// What a task is asked for does not exist.
    #[error("{0}")]
    ResourceNotFound(String),
    /// The local server does not serve this; the text names it.
    #[error("{0} is not served by the local queue server")]
    UnsupportedOperation(String),
    /// No `X-Amz-Target`, or one of another service.
    #[error("the request names no SQS operation")]
    UnknownOperation,
    /// The body is no JSON of the operation's shape.
    #[error("the request body cannot be read: {0}")]
    Serialization(String),
    /// No signature, so no caller.
    #[error("request is missing an authentication token")]
    MissingAuthentication,
    /// The body is longer than any valid request.
    #[error("the request is longer than {max} bytes", max = limits::REQUEST_BYTES_MAX)]
    RequestTooLong,
    /// The store could not do it: disk full, file damaged, server stopping.
    #[error("the queue store failed: {0}")]
    Store(String),
}

/// How an error is named on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// The shape's name in `__type`.
    pub shape: &'static str,
    query: QueryCode,
    /// The HTTP status.
    pub status: u16,
}

/// The query protocol's code, which follows no single rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueryCode {
    /// The shape's own name.
    Shape,
    /// The shape's own name behind the service's prefix.
    PrefixedShape,
    /// A name of its own.
    Other(&'static str),
}

impl ErrorCode {
    /// The query protocol's code, also the `Code` of a failed batch entry.
    pub fn query(self) -> String {
        match self.query {
            QueryCode::Shape => self.shape.to_owned(),
            QueryCode::PrefixedShape => format!("AWS.SimpleQueueService.{}", self.shape),
            QueryCode::Other(code) => code.to_owned(),
        }
    }

    /// Whether the caller is at fault, rather than the server.
    pub const fn is_sender_fault(self) -> bool {
        self.status < 500
    }
}

impl SqsError {
    /// The codes of Amazon's service for this error.
    pub fn code(&self) -> ErrorCode {
        use QueryCode::{Other, PrefixedShape, Shape};
        let (shape, query, status) = match self {
            Self::QueueDoesNotExist(_) => {
                ("QueueDoesNotExist", Other("AWS.SimpleQueueService.NonExistentQueue"), 400)
            }
            Self::QueueNameExists { .. } => ("QueueNameExists", Other("QueueAlreadyExists"), 400),
            Self::InvalidAttributeName(_) => ("InvalidAttributeName", Shape, 400),
            Self::InvalidAttributeValue { .. } => ("InvalidAttributeValue", Shape, 400),
            Self::InvalidParameterValue(_) => {
                ("InvalidParameterValueException", Other("InvalidParameterValue"), 400)
            }
            Self::MissingParameter(_) => {
                ("MissingRequiredParameterException", Other("MissingParameter"), 400)
            }
            Self::InvalidMessageContents(_) => ("InvalidMessageContents", Shape, 400),
            Self::EmptyBatchRequest => ("EmptyBatchRequest", PrefixedShape, 400),
            Self::TooManyEntriesInBatchRequest(_) => {
                ("TooManyEntriesInBatchRequest", PrefixedShape, 400)
            }
            Self::BatchEntryIdsNotDistinct(_) => ("BatchEntryIdsNotDistinct", PrefixedShape, 400),
            Self::InvalidBatchEntryId(_) => ("InvalidBatchEntryId", PrefixedShape, 400),
            Self::BatchRequestTooLong(_) => ("BatchRequestTooLong", PrefixedShape, 400),
            Self::ReceiptHandleIsInvalid => ("ReceiptHandleIsInvalid", Shape, 400),
            Self::MessageNotInflight => ("MessageNotInflight", PrefixedShape, 400),
            Self::OverLimit => ("OverLimit", Shape, 403),
            Self::PurgeQueueInProgress(_) => ("PurgeQueueInProgress", PrefixedShape, 400),
            Self::ResourceNotFound(_) => ("ResourceNotFoundException", Shape, 400),
            Self::UnsupportedOperation(_) => ("UnsupportedOperation", PrefixedShape, 400),
            Self::UnknownOperation => ("UnknownOperationException", Other("InvalidAction"), 400),
            Self::Serialization(_) => ("SerializationException", Other("MalformedInput"), 400),
            Self::MissingAuthentication => {
                ("MissingAuthenticationTokenException", Other("MissingAuthenticationToken"), 403)
            }
            Self::RequestTooLong => {
                ("RequestEntityTooLargeException", Other("RequestEntityTooLarge"), 413)
            }
            Self::Store(_) => ("InternalFailure", Shape, 500),
        };
        ErrorCode { shape, query, status }
    }
}

impl From<rusqlite::Error> for SqsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<serde_json::Error> for SqsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Serialization(error.to_string())
    }
}
