//! Every number the queue server holds its callers to, and the few it holds itself to.
//!
//! The first group is Amazon's, from the SQS developer guide ("Amazon SQS quotas") and the API
//! reference of the action named; changing one makes the local queue lie about the real one. The
//! second group is ours and says why each number was chosen.

/// Longest message: body and message attributes together, in bytes (quotas, "Message size").
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// Smallest value of the queue attribute `MaximumMessageSize`, in bytes (`SetQueueAttributes`).
pub const MESSAGE_BYTES_LIMIT_MIN: i64 = 1_024;
/// Largest sum of all messages of one `SendMessageBatch`, in bytes (quotas, "Message batch").
pub const BATCH_BYTES_MAX: usize = 1_048_576;
/// Most entries of one batch call (quotas, "Batched message").
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Longest entry id in a batch, in characters (`SendMessageBatchRequestEntry`).
pub const BATCH_ENTRY_ID_CHARACTERS_MAX: usize = 80;
/// Most messages one `ReceiveMessage` answers (`ReceiveMessage`).
pub const RECEIVE_MESSAGES_MAX: i64 = 10;
/// Longest long poll, in seconds (`ReceiveMessage`).
pub const WAIT_SECONDS_MAX: i64 = 20;
/// Longest delay of a message or of a queue, in seconds (quotas, "Delay queue").
pub const DELAY_SECONDS_MAX: i64 = 900;
/// Longest visibility timeout, and the most a message may stay hidden in total, counted from its
/// receipt, in seconds (quotas, "Message visibility timeout").
pub const VISIBILITY_SECONDS_MAX: i64 = 43_200;
/// Shortest retention, in seconds (quotas, "Message retention").
pub const RETENTION_SECONDS_MIN: i64 = 60;
/// Longest retention: 14 days, in seconds (quotas, "Message retention").
pub const RETENTION_SECONDS_MAX: i64 = 1_209_600;
/// Most messages of a standard queue received and not yet deleted (quotas, "In-flight messages").
pub const IN_FLIGHT_MESSAGES_MAX: i64 = 120_000;
/// Largest `maxReceiveCount` of a redrive policy (`SetQueueAttributes`).
pub const RECEIVE_COUNT_MAX: i64 = 1_000;
/// Most message attributes of one message (quotas, "Message attributes").
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Longest name or data type of a message attribute, in characters (developer guide, "Message
/// attribute components").
pub const ATTRIBUTE_NAME_CHARACTERS_MAX: usize = 256;
/// Longest queue name, in characters (quotas, "Queue name").
pub const QUEUE_NAME_CHARACTERS_MAX: usize = 80;
/// Longest `MessageGroupId`, in characters (`SendMessage`).
pub const GROUP_ID_CHARACTERS_MAX: usize = 128;
/// Most queues one page of `ListQueues` answers (`ListQueues`).
pub const LIST_QUEUES_MAX: i64 = 1_000;
/// Most tasks one `ListMessageMoveTasks` answers (`ListMessageMoveTasks`).
pub const LIST_MOVE_TASKS_MAX: i64 = 10;
/// Fastest pace of a message move task, in messages per second (`StartMessageMoveTask`).
pub const MOVES_PER_SECOND_MAX: i64 = 500;
/// Seconds that must pass between two purges of a queue (`PurgeQueue`).
pub const PURGE_INTERVAL_SECONDS: i64 = 60;

/// Longest request body read, in bytes: a message of 1 MiB in which JSON escapes every byte as six
/// (`\u0041`), and room for its envelope.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1_048_576;
/// Calls committed together at most. Enough to spread one commit over a burst, small enough that
/// the first caller of a group does not wait for long.
pub(super) const COMMIT_GROUP_MAX: usize = 64;
/// Calls that may wait for the store's thread; further callers wait to hand theirs over.
pub(super) const WAITING_CALLS_MAX: usize = 1_024;
/// Messages one receive moves to the dead-letter queue at most, so that a queue full of exhausted
/// messages cannot hold the store's thread. The next receive moves on.
pub(super) const REDRIVES_PER_RECEIVE_MAX: usize = 100;
/// Messages a move task takes in one step when no pace was asked for.
pub(super) const MOVES_PER_STEP: i64 = 100;
/// How often a long poll looks again although nobody woke it, in milliseconds: the bound on
/// noticing that an injected clock was turned.
pub(super) const RECHECK_MILLIS: i64 = 500;
/// Milliseconds in a second: the store keeps time in milliseconds, the API speaks of seconds.
pub(super) const MILLIS: i64 = 1_000;
