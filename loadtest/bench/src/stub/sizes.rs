//! How DynamoDB and SQS count sizes, for what they charge.

use serde_json::{Map, Value};

/// Bytes of a write unit.
const WRITE_UNIT_BYTES: usize = 1024;
/// Bytes of a queue request unit.
const QUEUE_UNIT_BYTES: usize = 64 * 1024;
/// A number takes half its digits and one byte more, about.
const NUMBER_EXTRA_BYTES: usize = 1;

/// Units of writing an item of so many bytes.
pub(super) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as f64
}

/// Units of a request to the queue with so many bytes of messages.
pub(super) fn queue_units(bytes: usize) -> f64 {
    bytes.div_ceil(QUEUE_UNIT_BYTES).max(1) as f64
}

/// Bytes of an item: names and values of its attributes.
pub(super) fn item_bytes(item: &Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else {
        return 0;
    };
    let text = value.as_str().map_or(0, str::len);
    match kind.as_str() {
        "N" => text.div_ceil(2) + NUMBER_EXTRA_BYTES,
        "B" => text / 4 * 3,
        "S" => text,
        _ => 1,
    }
}

/// Bytes of a queue message: its text, and names, types and values of its attributes.
pub(super) fn message_bytes(entry: &Value) -> usize {
    let text = entry["MessageBody"].as_str().map_or(0, str::len);
    let attribute = |(name, value): (&String, &Value)| {
        let of = |field: &str| value[field].as_str().map_or(0, str::len);
        name.len() + of("DataType") + of("StringValue")
    };
    let attributes = entry["MessageAttributes"].as_object().into_iter().flatten();
    text + attributes.map(attribute).sum::<usize>()
}
