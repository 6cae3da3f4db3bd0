//! Conditions and changes as DynamoDB writes them. Every name and value goes through a placeholder, so
//! reserved words and quoting are nobody's concern. What a condition must allow comes from
//! `relay_core`'s table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::identity::LeaseId;
use relay_core::lifecycle::{Event, Life, State, Status};
use relay_core::time::Timestamp;

use super::item::{name, number, text, time};

/// The names and values that the text of an expression refers to.
#[derive(Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// Every part must hold.
pub(super) fn all(parts: &[String]) -> String {
    format!("({})", parts.join(" AND "))
}

/// One part must hold.
pub(super) fn any(parts: &[String]) -> String {
    format!("({})", parts.join(" OR "))
}

impl Expression {
    /// The placeholder of an attribute's name.
    pub(super) fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// The placeholder of a value.
    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn compared(&mut self, attribute: &str, operator: &str, value: AttributeValue) -> String {
        format!("{} {operator} {}", self.name(attribute), self.value(value))
    }

    /// The attribute has this value.
    pub(super) fn equals(&mut self, attribute: &str, value: AttributeValue) -> String {
        self.compared(attribute, "=", value)
    }

    /// The attribute is a time that has come.
    pub(super) fn at_most(&mut self, attribute: &str, now: Timestamp) -> String {
        self.compared(attribute, "<=", time(now))
    }

    /// The attribute is missing.
    pub(super) fn absent(&mut self, attribute: &str) -> String {
        format!("attribute_not_exists({})", self.name(attribute))
    }

    /// There is no item.
    pub(super) fn no_item(&mut self) -> String {
        self.absent(name::PARTITION)
    }

    /// The status is one in which `event` can happen.
    pub(super) fn takes(&mut self, event: Event) -> String {
        let statuses = Status::takes(event).into_iter();
        let values: Vec<_> = statuses.map(|status| self.value(text(status.as_str()))).collect();
        format!("{} IN ({})", self.name(name::STATUS), values.join(", "))
    }

    /// The state is of the same acceptance and generation, expired or not.
    pub(super) fn of_life(&mut self, life: &Life) -> String {
        all(&[
            self.equals(name::ACCEPTED_ID, text(life.accepted_id.as_str())),
            self.equals(name::GENERATION, number(life.generation.0)),
        ])
    }

    /// The state has not expired.
    pub(super) fn not_expired(&mut self, now: Timestamp) -> String {
        self.compared(name::EXPIRES_AT_MS, ">", time(now))
    }

    /// The state is of another acceptance or has expired: for this life it means nothing.
    pub(super) fn ended_for(&mut self, life: &Life, now: Timestamp) -> String {
        any(&[
            self.compared(name::ACCEPTED_ID, "<>", text(life.accepted_id.as_str())),
            self.at_most(name::EXPIRES_AT_MS, now),
        ])
    }

    /// The attempt of this hold is the one under way.
    pub(super) fn held_by(&mut self, lease_id: &LeaseId, attempt: u32) -> String {
        all(&[
            self.equals(name::LEASE_ID, text(lease_id.as_str())),
            self.equals(name::ATTEMPTS, number(attempt)),
        ])
    }

    /// The item is still the one that was read; none, if none was there. A state that returns to the
    /// same status has begun another attempt or generation in between, or was written later.
    pub(super) fn unchanged(&mut self, read: Option<&State>) -> String {
        match read {
            None => self.no_item(),
            Some(state) => all(&[
                self.of_life(&state.life),
                self.equals(name::STATUS, text(state.phase.status().as_str())),
                self.equals(name::ATTEMPTS, number(state.attempts)),
                self.equals(name::UPDATED_AT, time(state.updated_at)),
            ]),
        }
    }

    /// What goes beside the text: DynamoDB refuses empty maps.
    #[expect(clippy::type_complexity, reason = "the two types are the SDK's own")]
    pub(super) fn into_parts(
        self,
    ) -> (Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>) {
        let Self { names, values } = self;
        ((!names.is_empty()).then_some(names), (!values.is_empty()).then_some(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_allow_what_the_table_allows() {
        let mut expression = Expression::default();
        let condition = expression.takes(Event::Claimed);
        let (names, values) = expression.into_parts();
        assert_eq!(condition, "#status IN (:0, :1, :2)");
        assert_eq!(names.map(|names| names.len()), Some(1));
        let mut statuses: Vec<_> = values.unwrap_or_default().into_iter().collect();
        statuses.sort_by(|one, other| one.0.cmp(&other.0));
        let statuses: Vec<_> = statuses.into_iter().map(|(_, status)| status).collect();
        assert_eq!(statuses, ["PENDING", "QUEUED", "RETRYING"].map(text));
    }
}
