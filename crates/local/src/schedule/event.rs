//! Builds the events that a schedule hands to its function, in the form that EventBridge gives them.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

use crate::lambda::unique_id;

/// What the events of one schedule say about where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// ARN of the rule.
    pub rule_arn: String,
    /// The region it is in.
    pub region: String,
    /// The account it is in.
    pub account_id: String,
}

impl ScheduledEvent {
    /// The event of a run that is due at `time`; each has an id of its own.
    #[must_use]
    pub fn due_at(&self, time: Timestamp) -> Bytes {
        let event = json!({
            "version": "0",
            "id": unique_id(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.account_id,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.region,
            "resources": [self.rule_arn],
            "detail": {},
        });
        Bytes::from(event.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::Value as Json;

    #[test]
    fn an_event_has_the_shape_that_eventbridge_gives() {
        let source = ScheduledEvent {
            rule_arn: "arn:aws:events:eu-west-1:000000000000:rule/tidy".to_owned(),
            region: "eu-west-1".to_owned(),
            account_id: "000000000000".to_owned(),
        };
        let time: Timestamp = "2026-11-21T05:00:00.999Z".parse().unwrap();
        let read = || -> Json { serde_json::from_slice(&source.due_at(time)).unwrap() };
        let mut event = read();
        let id = event["id"].take();
        assert_ne!(id, read()["id"], "every event has its own id");
        let expected = json!({
            "version": "0",
            "id": null,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": "2026-11-21T05:00:00Z",
            "region": "eu-west-1",
            "resources": ["arn:aws:events:eu-west-1:000000000000:rule/tidy"],
            "detail": {},
        });
        assert_eq!(event, expected);
    }
}
