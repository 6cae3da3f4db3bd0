//! What one message may hold: characters, attributes, sizes. Decides only; keeps nothing.

use data_encoding::BASE64;
use serde::Deserialize;

use super::digest::{AttributeValue, Attributes, decode, digest_of_attributes, digest_of_body};
use super::error::SqsError;
use super::limits;

/// A message as a caller hands it in: `SendMessage`, or an entry of `SendMessageBatch`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MessageInput {
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Option<Attributes>,
    #[serde(default)]
    message_system_attributes: Option<Attributes>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

/// A message that passed every check that needs no queue.
#[derive(Debug, Clone)]
pub(super) struct NewMessage {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) trace_header: Option<String>,
    pub(super) group_id: Option<String>,
    /// Seconds; the queue's own delay if absent.
    pub(super) delay_seconds: Option<i64>,
    /// Access key id of the sender.
    pub(super) sender_id: String,
    /// Body and attributes, as the limits count them.
    pub(super) bytes: usize,
}

/// The digests of an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) body: String,
    pub(super) attributes: Option<String>,
    pub(super) system_attributes: Option<String>,
}

const TRACE_HEADER: &str = "AWSTraceHeader";

impl MessageInput {
    /// Checks all that needs no queue.
    pub(super) fn check(self, sender_id: &str) -> Result<NewMessage, SqsError> {
        let body = self.message_body.filter(|body| !body.is_empty());
        let body = body.ok_or(SqsError::MissingParameter("MessageBody"))?;
        check_characters(&body)?;
        if let Some(delay) = self.delay_seconds {
            check_range("DelaySeconds", delay, (0, limits::DELAY_SECONDS_MAX))?;
        }
        if self.message_deduplication_id.is_some() {
            return Err(invalid(
                "MessageDeduplicationId",
                "the parameter is only valid for FIFO queues",
            ));
        }
        check_group_id(self.message_group_id.as_deref())?;
        let attributes = self.message_attributes.unwrap_or_default();
        check_attributes(&attributes)?;
        let trace_header = trace_header(self.message_system_attributes.unwrap_or_default())?;
        let bytes = body.len() + attributes.iter().map(attribute_bytes).sum::<usize>();
        if bytes > limits::MESSAGE_BYTES_MAX {
            return Err(too_long(limits::MESSAGE_BYTES_MAX as i64));
        }
        Ok(NewMessage {
            body,
            attributes,
            trace_header,
            group_id: self.message_group_id,
            delay_seconds: self.delay_seconds,
            sender_id: sender_id.to_owned(),
            bytes,
        })
    }
}

impl NewMessage {
    /// The digests to answer.
    pub(super) fn digests(&self) -> Digests {
        let trace = self.trace_header.as_ref().map(|header| {
            let value = AttributeValue {
                data_type: "String".to_owned(),
                string_value: Some(header.clone()),
                binary_value: None,
            };
            digest_of_attributes(&Attributes::from([(TRACE_HEADER.to_owned(), value)]))
        });
        Digests {
            body: digest_of_body(&self.body),
            attributes: (!self.attributes.is_empty())
                .then(|| digest_of_attributes(&self.attributes)),
            system_attributes: trace,
        }
    }
}

/// The refusal of a message longer than `bytes_max`.
pub(super) fn too_long(bytes_max: i64) -> SqsError {
    SqsError::InvalidParameterValue(format!(
        "one or more parameters are invalid: the message must be at most {bytes_max} bytes"
    ))
}

/// The refusal of a parameter, by name.
pub(super) fn invalid(parameter: &str, reason: &str) -> SqsError {
    SqsError::InvalidParameterValue(format!("value for parameter {parameter} is invalid: {reason}"))
}

/// Refuses a number outside `least..=most`.
pub(super) fn check_range(
    parameter: &str,
    value: i64,
    (least, most): (i64, i64),
) -> Result<(), SqsError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(parameter, &format!("{value} is not from {least} to {most}")))
}

fn attribute_bytes((name, value): (&String, &AttributeValue)) -> usize {
    let content = match &value.string_value {
        Some(text) => text.len(),
        None => decode(value.binary_value.as_deref()).len(),
    };
    name.len() + value.data_type.len() + content
}

/// The characters a message may hold: those of XML 1.0.
fn check_characters(text: &str) -> Result<(), SqsError> {
    let refused = text.chars().find(|character| {
        !matches!(character,
            '\u{9}' | '\u{A}' | '\u{D}' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}'
            | '\u{10000}'..='\u{10FFFF}')
    });
    refused.map_or(Ok(()), |character| Err(SqsError::InvalidMessageContents(character as u32)))
}

fn check_group_id(group_id: Option<&str>) -> Result<(), SqsError> {
    let Some(group_id) = group_id else { return Ok(()) };
    let is_punctuation = |byte: u8| byte.is_ascii_punctuation();
    let fits = (1..=limits::GROUP_ID_CHARACTERS_MAX).contains(&group_id.len())
        && group_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_punctuation(byte));
    if fits {
        return Ok(());
    }
    Err(invalid("MessageGroupId", "it must be 1 to 128 letters, digits and punctuation"))
}

fn check_attributes(attributes: &Attributes) -> Result<(), SqsError> {
    if attributes.len() > limits::MESSAGE_ATTRIBUTES_MAX {
        return Err(SqsError::InvalidParameterValue(format!(
            "number of message attributes [{}] exceeds the allowed maximum [{}]",
            attributes.len(),
            limits::MESSAGE_ATTRIBUTES_MAX
        )));
    }
    for (name, value) in attributes {
        check_attribute_name(name)?;
        check_attribute_value(name, value)?;
    }
    Ok(())
}

fn check_attribute_name(name: &str) -> Result<(), SqsError> {
    let lower = name.to_ascii_lowercase();
    let fits = (1..=limits::ATTRIBUTE_NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if fits {
        return Ok(());
    }
    Err(SqsError::InvalidParameterValue(format!(
        "the message attribute name {name:?} is not 1 to {} letters, digits, hyphens, underscores \
         and single inner periods, or begins with a reserved prefix",
        limits::ATTRIBUTE_NAME_CHARACTERS_MAX
    )))
}

fn check_attribute_value(name: &str, value: &AttributeValue) -> Result<(), SqsError> {
    let refuse = |reason: &str| {
        Err(SqsError::InvalidParameterValue(format!("the message attribute {name:?} {reason}")))
    };
    if value.data_type.len() > limits::ATTRIBUTE_NAME_CHARACTERS_MAX {
        return refuse("has a data type of more than 256 characters");
    }
    let base_type = value.data_type.split_once('.').map_or(&*value.data_type, |(base, _)| base);
    match (base_type, &value.string_value, &value.binary_value) {
        ("String" | "Number", Some(text), None) if !text.is_empty() => {
            check_characters(text)?;
            if base_type == "Number" && text.trim().parse::<f64>().is_err() {
                return refuse("is a Number whose value is none");
            }
            Ok(())
        }
        ("Binary", None, Some(base64)) if !base64.is_empty() => {
            match BASE64.decode(base64.as_bytes()) {
                Ok(_) => Ok(()),
                Err(_) => refuse("holds no valid base64"),
            }
        }
        ("String" | "Number" | "Binary", _, _) => {
            refuse("must contain exactly one non-empty value of its data type")
        }
        _ => refuse("has a data type that is not String, Number or Binary"),
    }
}

/// The one system attribute a sender may set.
fn trace_header(system_attributes: Attributes) -> Result<Option<String>, SqsError> {
    let mut header = None;
    for (name, value) in system_attributes {
        if name != TRACE_HEADER {
            return Err(SqsError::InvalidParameterValue(format!(
                "message system attribute name {name:?} is invalid: only {TRACE_HEADER} may be set"
            )));
        }
        check_attribute_value(&name, &value)?;
        if value.data_type != "String" {
            return Err(invalid(TRACE_HEADER, "its data type must be String"));
        }
        header = value.string_value;
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn message(json: serde_json::Value) -> Result<NewMessage, SqsError> {
        serde_json::from_value::<MessageInput>(json).unwrap().check("AKID")
    }

    #[test]
    fn every_code_point_is_sorted_into_accepted_and_refused() {
        for code in 0..=0x0010_FFFF_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let accepted = matches!(code, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD)
                || code >= 0x1_0000;
            let result = check_characters(&character.to_string());
            assert_eq!(result.is_ok(), accepted, "U+{code:04X}");
        }
    }

    #[test]
    fn attributes_count_towards_the_size() {
        let body = "x".repeat(limits::MESSAGE_BYTES_MAX - 8);
        let attribute = serde_json::json!({"a": {"DataType": "String", "StringValue": "b"}});
        let fits =
            message(serde_json::json!({"MessageBody": body, "MessageAttributes": attribute}));
        assert_eq!(fits.unwrap().bytes, limits::MESSAGE_BYTES_MAX);
        let body = format!("{body}x");
        let long =
            message(serde_json::json!({"MessageBody": body, "MessageAttributes": attribute}));
        assert_eq!(long.unwrap_err(), too_long(1_048_576));
    }

    #[test]
    fn odd_attributes_are_refused() {
        for (name, value) in [
            ("AWS.x", serde_json::json!({"DataType": "String", "StringValue": "b"})),
            ("a..b", serde_json::json!({"DataType": "String", "StringValue": "b"})),
            ("a", serde_json::json!({"DataType": "String", "StringValue": ""})),
            ("a", serde_json::json!({"DataType": "Number", "StringValue": "one"})),
            ("a", serde_json::json!({"DataType": "Binary", "StringValue": "b"})),
            ("a", serde_json::json!({"DataType": "Colour", "StringValue": "b"})),
        ] {
            let attributes = serde_json::json!({ name: value });
            let json = serde_json::json!({"MessageBody": "x", "MessageAttributes": attributes});
            assert!(message(json).is_err(), "{name} {attributes}");
        }
    }
}
