//! The attributes of a queue: which there are, their ranges and defaults, and the redrive policy.
//! Knows nothing of where queues are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::SqsError;
use super::limits;

/// What a queue is set to. Everything has the default of Amazon's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QueueAttributes {
    pub(super) visibility_timeout_seconds: i64,
    pub(super) delay_seconds: i64,
    pub(super) message_bytes_max: i64,
    pub(super) retention_seconds: i64,
    pub(super) wait_seconds: i64,
    pub(super) redrive: Option<RedrivePolicy>,
    /// Attributes about access and encryption: kept and answered, never acted upon, because the
    /// local server listens on loopback alone and encrypts nothing.
    pub(super) kept: BTreeMap<String, String>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RedrivePolicy {
    pub(super) dead_letter_target_arn: String,
    #[serde(deserialize_with = "number_or_text")]
    pub(super) max_receive_count: i64,
}

/// Attributes in [`QueueAttributes::kept`].
const KEPT: [&str; 5] = [
    "Policy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
];

/// Attributes only a FIFO queue has.
const FIFO_ONLY: [&str; 4] =
    ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];

/// The names `GetQueueAttributes` knows although no attribute is stored under them.
pub(super) const COMPUTED: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

impl Default for QueueAttributes {
    fn default() -> Self {
        Self {
            visibility_timeout_seconds: 30,
            delay_seconds: 0,
            message_bytes_max: limits::MESSAGE_BYTES_MAX as i64,
            retention_seconds: 345_600,
            wait_seconds: 0,
            redrive: None,
            kept: BTreeMap::from([("SqsManagedSseEnabled".to_owned(), "true".to_owned())]),
        }
    }
}

impl QueueAttributes {
    /// These attributes with all of `changes` made, or the first change that is refused.
    pub(super) fn with(mut self, changes: &BTreeMap<String, String>) -> Result<Self, SqsError> {
        for (name, value) in changes {
            self.set(name, value)?;
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SqsError> {
        match name {
            "VisibilityTimeout" => {
                let range = (0, limits::VISIBILITY_SECONDS_MAX);
                self.visibility_timeout_seconds = integer(name, value, range)?;
            }
            "DelaySeconds" => {
                self.delay_seconds = integer(name, value, (0, limits::DELAY_SECONDS_MAX))?;
            }
            "MaximumMessageSize" => {
                let range = (limits::MESSAGE_BYTES_LIMIT_MIN, limits::MESSAGE_BYTES_MAX as i64);
                self.message_bytes_max = integer(name, value, range)?;
            }
            "MessageRetentionPeriod" => {
                let range = (limits::RETENTION_SECONDS_MIN, limits::RETENTION_SECONDS_MAX);
                self.retention_seconds = integer(name, value, range)?;
            }
            "ReceiveMessageWaitTimeSeconds" => {
                self.wait_seconds = integer(name, value, (0, limits::WAIT_SECONDS_MAX))?;
            }
            "RedrivePolicy" => self.redrive = redrive_policy(value)?,
            _ if KEPT.contains(&name) => {
                self.kept.insert(name.to_owned(), value.to_owned());
            }
            _ if FIFO_ONLY.contains(&name) => {
                return Err(SqsError::UnsupportedOperation(format!("a FIFO queue ({name})")));
            }
            _ => return Err(SqsError::InvalidAttributeName(name.to_owned())),
        }
        Ok(())
    }

    /// Name and value of every stored attribute, as `GetQueueAttributes` answers them.
    pub(super) fn entries(&self) -> BTreeMap<String, String> {
        let mut entries = self.kept.clone();
        let numbers = [
            ("VisibilityTimeout", self.visibility_timeout_seconds),
            ("DelaySeconds", self.delay_seconds),
            ("MaximumMessageSize", self.message_bytes_max),
            ("MessageRetentionPeriod", self.retention_seconds),
            ("ReceiveMessageWaitTimeSeconds", self.wait_seconds),
        ];
        entries.extend(numbers.map(|(name, number)| (name.to_owned(), number.to_string())));
        if let Some(policy) = &self.redrive {
            let text = serde_json::json!({
                "deadLetterTargetArn": policy.dead_letter_target_arn,
                "maxReceiveCount": policy.max_receive_count,
            });
            entries.insert("RedrivePolicy".to_owned(), text.to_string());
        }
        entries
    }

    /// The first attribute in which `other` differs.
    pub(super) fn first_difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.entries(), other.entries());
        ours.keys().chain(theirs.keys()).find(|name| ours.get(*name) != theirs.get(*name)).cloned()
    }
}

/// Whether `GetQueueAttributes` may be asked for `name`.
pub(super) fn is_known(name: &str) -> bool {
    COMPUTED.contains(&name)
        || KEPT.contains(&name)
        || FIFO_ONLY.contains(&name)
        || name == "RedrivePolicy"
        || QueueAttributes::default().entries().contains_key(name)
}

fn integer(name: &str, value: &str, (least, most): (i64, i64)) -> Result<i64, SqsError> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(SqsError::InvalidAttributeValue {
            attribute: name.to_owned(),
            reason: format!("must be an integer from {least} to {most}, not {value:?}"),
        }),
    }
}

fn redrive_policy(value: &str) -> Result<Option<RedrivePolicy>, SqsError> {
    if value.is_empty() {
        return Ok(None);
    }
    let invalid = |reason: String| SqsError::InvalidAttributeValue {
        attribute: "RedrivePolicy".to_owned(),
        reason,
    };
    let policy: RedrivePolicy =
        serde_json::from_str(value).map_err(|error| invalid(error.to_string()))?;
    if !(1..=limits::RECEIVE_COUNT_MAX).contains(&policy.max_receive_count) {
        return Err(invalid(format!(
            "maxReceiveCount must be from 1 to {}, not {}",
            limits::RECEIVE_COUNT_MAX,
            policy.max_receive_count
        )));
    }
    Ok(Some(policy))
}

/// `maxReceiveCount` is written as a number by some tools and as text by others.
fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(i64),
        Text(String),
    }
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => Ok(number),
        NumberOrText::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn set(name: &str, value: &str) -> Result<QueueAttributes, SqsError> {
        let changes = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        QueueAttributes::default().with(&changes)
    }

    #[test]
    fn each_number_is_held_to_its_range() {
        for (name, least, most) in [
            ("VisibilityTimeout", 0, 43_200),
            ("DelaySeconds", 0, 900),
            ("MaximumMessageSize", 1_024, 1_048_576),
            ("MessageRetentionPeriod", 60, 1_209_600),
            ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ] {
            for accepted in [least, most] {
                let entries = set(name, &accepted.to_string()).unwrap().entries();
                assert_eq!(entries[name], accepted.to_string());
            }
            for refused in [(least - 1).to_string(), (most + 1).to_string(), "x".to_owned()] {
                assert!(matches!(
                    set(name, &refused),
                    Err(SqsError::InvalidAttributeValue { attribute, .. }) if attribute == name
                ));
            }
        }
    }

    #[test]
    fn the_redrive_policy_is_read_in_both_spellings_and_can_be_taken_away() {
        for count in ["5", "\"5\""] {
            let text = format!(r#"{{"deadLetterTargetArn":"arn","maxReceiveCount":{count}}}"#);
            let attributes = set("RedrivePolicy", &text).unwrap();
            assert_eq!(attributes.redrive.as_ref().unwrap().max_receive_count, 5);
            let changes = BTreeMap::from([("RedrivePolicy".to_owned(), String::new())]);
            assert_eq!(attributes.with(&changes).unwrap().redrive, None);
        }
        for count in ["0", "1001"] {
            let text = format!(r#"{{"deadLetterTargetArn":"arn","maxReceiveCount":{count}}}"#);
            assert!(set("RedrivePolicy", &text).is_err());
        }
    }

    #[test]
    fn fifo_and_unknown_attributes_are_refused_by_name() {
        assert!(matches!(set("FifoQueue", "true"), Err(SqsError::UnsupportedOperation(_))));
        assert_eq!(set("Colour", "red"), Err(SqsError::InvalidAttributeName("Colour".to_owned())));
    }
}
