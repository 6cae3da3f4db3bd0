//! The settings of the reconciler.

use super::reader::{Reader, SettingsErrors};
use super::typed::{Fairness, Logging, fairness, logging};

/// The settings of the reconciler function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcilerSettings {
    /// The table of messages.
    pub table: String,
    /// The queue.
    pub queue_url: String,
    /// The queue of dead letters.
    pub dead_letter_queue_url: String,
    /// The bucket of bodies.
    pub bucket: String,
    /// What the queue shares its workers out by.
    pub fairness: Fairness,
    /// Logs and metrics.
    pub logging: Logging,
}

impl ReconcilerSettings {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// When settings are missing or wrong; the error names each.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsErrors> {
        let mut reader = Reader::new(lookup);
        let settings = Self {
            table: reader.text("DYNAMODB_TABLE"),
            queue_url: reader.text("SQS_QUEUE_URL"),
            dead_letter_queue_url: reader.text("SQS_DLQ_URL"),
            bucket: reader.text("S3_BUCKET"),
            fairness: fairness(&mut reader),
            logging: logging(&mut reader),
        };
        reader.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn f31_every_mistake_is_told() {
        let error = ReconcilerSettings::read(&|name| match name {
            "DYNAMODB_TABLE" => Some("table".to_owned()),
            "FAIRNESS_KEY" => Some("luck".to_owned()),
            _ => None,
        })
        .unwrap_err();
        let told = error.to_string();
        for name in ["SQS_QUEUE_URL", "SQS_DLQ_URL", "FAIRNESS_KEY"] {
            assert!(told.contains(name), "{told}");
        }
        assert!(!told.contains("DYNAMODB_TABLE"), "{told}");
    }
}
