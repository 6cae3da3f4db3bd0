//! Where a body lies between acceptance and delivery, from sizes alone: in the record, in the queue
//! message, in the payload store, or in several of them. Decides only; writes nothing.

use relay_core::body::Body;
use relay_core::envelope::Envelope;
use relay_core::settings::Limits;
use relay_core::trace::Trace;

/// What an envelope has besides the texts that clients choose at length: names of fields, ids, times, the trace, and the
/// attributes. All of that together is less than 2,000 bytes.
const FIXED_BYTES_MAX: usize = 4096;
/// What JSON writes around the name and the value of a header.
const PAIR_BYTES: usize = 6;

/// When the body is written to the payload store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// The queue message carries it, and the record too or nobody is to keep it.
    Never,
    /// The queue message carries it, the record only points to it: writing and sending do not wait
    /// for each other.
    BesideSend,
    /// The queue message points to it: the worker must find it there.
    BeforeSend,
}

/// Whether the record carries a body of this size.
pub const fn in_record(body_bytes: u64, limits: &Limits) -> bool {
    body_bytes <= limits.table_inline_bytes_max as u64
}

/// Whether a queue message of this size, body and attributes included, may be sent.
pub const fn in_queue(queue_bytes: usize, limits: &Limits) -> bool {
    queue_bytes <= limits.queue_inline_bytes_max
}

/// Whether the queue takes this message as it is.
pub fn fits_queue(envelope: &Envelope, limits: &Limits) -> bool {
    // Most are so small that they need not be written out to be measured.
    in_queue(queue_bytes_at_most(envelope), limits) || in_queue(envelope.queue_bytes(), limits)
}

/// What the queue counts for an envelope at most. JSON writes no character that the queue takes with more than twice its
/// bytes, and base64 four for three.
fn queue_bytes_at_most(envelope: &Envelope) -> usize {
    let headers =
        envelope.headers.iter().map(|(name, value)| name.len() + value.len() + PAIR_BYTES);
    let body = match &envelope.body {
        Body::Inline(bytes) => bytes.len(),
        Body::Stored(pointer) | Body::Unretained(pointer) => {
            pointer.bucket.len() + pointer.key.len()
        }
    };
    let trace = envelope.trace.as_ref().and_then(Trace::state).map_or(0, str::len);
    let texts = envelope.target.as_str().len() + headers.sum::<usize>() + body + trace;
    2 * texts + FIXED_BYTES_MAX
}

/// When to write the body to the payload store: by whether anybody else is to have it for good, and by whether the queue
/// message carries it.
pub const fn storing(is_kept: bool, in_queue: bool) -> Storing {
    match (is_kept, in_queue) {
        (true, true) => Storing::Never,
        (false, true) => Storing::BesideSend,
        (true | false, false) => Storing::BeforeSend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_lies_where_its_size_puts_it() {
        let usual = Limits {
            table_inline_bytes_max: 8192,
            queue_inline_bytes_max: 262_144,
            payload_bytes_max: 1 << 30,
        };
        let no_table = Limits { table_inline_bytes_max: 0, ..usual };
        let small_queue = Limits { queue_inline_bytes_max: 1024, ..usual };
        for (body, queue, limits, expected) in [
            (0, 600, usual, Storing::Never),
            (8192, 8800, usual, Storing::Never),
            (8193, 8801, usual, Storing::BesideSend),
            (261_544, 262_144, usual, Storing::BesideSend),
            (261_545, 262_145, usual, Storing::BeforeSend),
            (2_900_000, 2_900_600, usual, Storing::BeforeSend),
            // No body at all fits even into a record that takes none.
            (0, 600, no_table, Storing::Never),
            (1, 601, no_table, Storing::BesideSend),
            (600, 1200, small_queue, Storing::BeforeSend),
        ] {
            let told = storing(in_record(body, &limits), in_queue(queue, &limits));
            assert_eq!(told, expected, "body {body}, queue {queue}");
        }
    }
}
