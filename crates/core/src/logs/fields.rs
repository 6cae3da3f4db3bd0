//! The rows of the table of log fields.

use super::{Field, Kind};

const fn field(
    name: &'static str,
    kind: Kind,
    lines: &'static str,
    meaning: &'static str,
) -> Field {
    Field { name, kind, lines, meaning }
}

const EVERY: &str = "every line";
const MESSAGE: &str = "every line about a message";
const REQUEST: &str = "`request`";
const ATTEMPT: &str = "`attempt`";
const BOTH: &str = "`request`, `one of many`, `attempt`";
const BREAKER: &str = "circuit breakers";
const RUN: &str = "the reconciler's runs";
const MANY: &str = "`request` about many messages";
const ONE: &str = "`request` of a message, `one of many`";

/// Every field, in the order the documents list them.
pub const FIELDS: &[Field] = &[
    field("timestamp", Kind::Time, EVERY, "When the line was written."),
    field("level", Kind::Text, EVERY, "`ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`."),
    field("message", Kind::Text, EVERY, "What happened, in the same words every time."),
    field("function", Kind::Text, EVERY, "The name of the function."),
    field(
        "function_version",
        Kind::Text,
        EVERY,
        "The published version of the function, or `$LATEST`.",
    ),
    field("version", Kind::Text, EVERY, "The version of the relay."),
    field(
        "invocation_id",
        Kind::Text,
        "every line of an invocation",
        "Lambda's id of the invocation; its own lines call it `requestId`.",
    ),
    field("id", Kind::Text, MESSAGE, "The relay's id of the message, `msg_…`."),
    field("message_id", Kind::Text, MESSAGE, "The sender's id of the message."),
    field("sender_id", Kind::Text, MESSAGE, "Who sent it."),
    field(
        "correlation_id",
        Kind::Text,
        "every line about a message or a request",
        "Of the request that accepted the message, or of this request.",
    ),
    field(
        "trace_id",
        Kind::Text,
        "every line of ingest about a request, of the worker about a message",
        "The trace (W3C Trace Context), 32 hexadecimal digits.",
    ),
    field(
        "xray_trace_id",
        Kind::Text,
        "the same lines",
        "The same of X-Ray, `1-…`, if there is one.",
    ),
    field(
        "span_id",
        Kind::Text,
        ATTEMPT,
        "The parent id that the target sees: this attempt's place in the trace.",
    ),
    field(
        "generation",
        Kind::Number,
        "`attempt`, and lines about setting a message going again",
        "How often the message was set going again.",
    ),
    field("attempt", Kind::Number, ATTEMPT, "The number of the attempt in its generation, from 1."),
    field(
        "destination",
        Kind::Text,
        "`request` of a message, `one of many`, `attempt`, deferrals and circuit breakers",
        "Scheme, host and port of the target.",
    ),
    field("payload_bytes", Kind::Bytes, BOTH, "Size of the message's body."),
    field(
        "status",
        Kind::Number,
        BOTH,
        "The HTTP status that the relay answered, or that the target did.",
    ),
    field(
        "duration_ms",
        Kind::Milliseconds,
        "`request`, `attempt`",
        "How long the request took, or the call of the target.",
    ),
    field(
        "cold_start",
        Kind::Flag,
        "every line of an invocation",
        "Whether the invocation is the first of its environment.",
    ),
    field("method", Kind::Text, REQUEST, "The HTTP method."),
    field(
        "route",
        Kind::Text,
        REQUEST,
        "The route, with its parameters' names; `none` if there is none.",
    ),
    field(
        "code",
        Kind::Text,
        "`request` that was refused, or one of many messages; trouble with the queue",
        "The code of the problem that was answered, or the one that AWS gave.",
    ),
    field(
        "cause",
        Kind::Text,
        "`request` that was refused, or one of many messages",
        "Why, in words that the client did not get.",
    ),
    field("duplicate", Kind::Flag, ONE, "Whether the message had been accepted before."),
    field(
        "accepted",
        Kind::Number,
        MANY,
        "Messages of it that were accepted, set going again or cancelled.",
    ),
    field("duplicates", Kind::Number, MANY, "Messages of it that had been accepted before."),
    field("refused", Kind::Number, MANY, "Messages of it that were refused."),
    field("request_id", Kind::Text, REQUEST, "The gateway's id of the request."),
    field(
        "source",
        Kind::Text,
        REQUEST,
        "The address the request came from, as the gateway saw it.",
    ),
    field(
        "key_id",
        Kind::Text,
        "`request`, and lines about API keys",
        "The id of the API key; never the key.",
    ),
    field(
        "outcome",
        Kind::Text,
        ATTEMPT,
        "What it was worth: `delivered`, `transient` or `permanent`.",
    ),
    field(
        "error",
        Kind::Text,
        "`attempt` without an answer; lines about trouble",
        "What went wrong: the kind of an attempt's error, or what a service said.",
    ),
    field(
        "decision",
        Kind::Text,
        ATTEMPT,
        "What follows: `delivered`, `retry`, or the reason why the message is dead.",
    ),
    field(
        "next_attempt_at",
        Kind::Time,
        "`attempt` that is repeated",
        "The earliest time of the next one.",
    ),
    field(
        "since_accepted_ms",
        Kind::Milliseconds,
        ATTEMPT,
        "From acceptance, or from being set going again, to the end of the attempt.",
    ),
    field(
        "queue_wait_ms",
        Kind::Milliseconds,
        "`attempt` at an item's first receipt",
        "From when this queue item could be received to the beginning of the attempt.",
    ),
    field(
        "receipts",
        Kind::Number,
        "`attempt`, and items handed back unstarted",
        "How often the queue has handed out this item.",
    ),
    field("until", Kind::Time, "deferrals and circuit breakers", "When it goes on."),
    field("reason", Kind::Text, "dead messages, deferrals, malformed items", "Why."),
    field("item_id", Kind::Text, "lines about queue items", "SQS's id of the item."),
    field(
        "items_left",
        Kind::Number,
        "invocations that are cut off",
        "Queue items that were still under way; they come back.",
    ),
    field(
        "envelope_version",
        Kind::Number,
        "queue items of a newer version",
        "The version that the item says it has.",
    ),
    field(
        "object_key",
        Kind::Text,
        "stored bodies that are not the accepted ones",
        "The key of the object in the bucket.",
    ),
    field(
        "peer",
        Kind::Text,
        "connections to refused addresses",
        "The address that was connected to.",
    ),
    field("breaker_version", Kind::Number, BREAKER, "Counts the changes of the breaker."),
    field("openings", Kind::Number, BREAKER, "How often in a row it opened."),
    field("why", Kind::Text, BREAKER, "What it opened for."),
    field("step", Kind::Number, BREAKER, "The step of the way back to full speed."),
    field("taken", Kind::Number, BREAKER, "Attempts let pass in this step."),
    field("bucket", Kind::Text, "limits that are kept alone", "The name of the limit."),
    field(
        "by",
        Kind::Text,
        "changes of API keys and signing secrets",
        "The id of the key that asked for it.",
    ),
    field("record_kind", Kind::Text, "records left out of a list", "What kind of record it is."),
    field("record_name", Kind::Text, "records left out of a list", "Its name."),
    field(
        "service",
        Kind::Text,
        "the readiness check, connections opened ahead of time",
        "The service that did not answer.",
    ),
    field("entries_seen", Kind::Number, RUN, "Records looked at."),
    field("buried", Kind::Number, RUN, "Dead messages whose letter was missing and is there now."),
    field("sent", Kind::Number, RUN, "Redrives that had stopped half-way and go on."),
    field(
        "left",
        Kind::Number,
        RUN,
        "Redrives that had stopped half-way and whose bodies are gone.",
    ),
    field("letters_seen", Kind::Number, RUN, "Letters received."),
    field("letters_judged", Kind::Number, RUN, "Letters compared with their records."),
    field("noted", Kind::Number, RUN, "Letters that their records did not know of."),
    field("given_up", Kind::Number, RUN, "Messages that the queue gave up on its own."),
    field("replaced", Kind::Number, RUN, "Letters of an earlier life that were replaced."),
    field("removed", Kind::Number, RUN, "Letters removed."),
    field("unreadable", Kind::Number, RUN, "Records that cannot be read."),
    field(
        "failed",
        Kind::Number,
        "the reconciler's runs, `request` about many messages",
        "What could not be done because a service did not answer.",
    ),
    field("unfinished", Kind::Flag, RUN, "Whether the next run has to go on."),
    field("target", Kind::Text, "lines of libraries", "The module that wrote it."),
    field("detail", Kind::Text, "lines of libraries", "What else the line says."),
];
