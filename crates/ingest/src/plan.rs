//! Where a body lies between acceptance and delivery, from sizes alone: in the record, in the queue
//! message, in the payload store, or in several of them. Decides only; writes nothing.

use relay_core::settings::Limits;

/// When the body is written to the payload store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// Record and queue message both carry it.
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

/// When to write the body to the payload store, by who else carries it.
pub const fn storing(in_record: bool, in_queue: bool) -> Storing {
    match (in_record, in_queue) {
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
