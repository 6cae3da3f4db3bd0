//! Conditions and changes as DynamoDB writes them. Every value goes through a placeholder, so quoting is nobody's
//! concern. What a condition must allow comes from `relay_core`'s table.
//!
//! Names are written as they are: of all attributes in here, only the status is called by a word that DynamoDB reserves.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::lifecycle::{Event, Life, State, Status};
use relay_core::time::Timestamp;

use super::item::{name, number, text, time};

/// How the status is called in expressions.
pub(super) const STATUS: &str = "#status";
/// How many values most conditions have at most.
const VALUES_USUAL: usize = 16;
/// The placeholders of values, in order. The largest expression is that of a claim.
const PLACEHOLDERS: [&str; 24] = [
    ":0", ":1", ":2", ":3", ":4", ":5", ":6", ":7", ":8", ":9", ":10", ":11", ":12", ":13", ":14",
    ":15", ":16", ":17", ":18", ":19", ":20", ":21", ":22", ":23",
];

/// The values that the text of an expression refers to.
#[derive(Default)]
pub(super) struct Expression {
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

/// An attribute's name as expressions write it.
pub(super) fn named(attribute: &'static str) -> &'static str {
    if attribute == name::STATUS { STATUS } else { attribute }
}

/// The names that an expression of this text refers to. DynamoDB refuses an empty map, and names that are not used.
pub(super) fn names(texts: &[&str]) -> Option<HashMap<String, String>> {
    let is_named = texts.iter().any(|text| text.contains(STATUS));
    is_named.then(|| HashMap::from([(STATUS.to_owned(), name::STATUS.to_owned())]))
}

impl Expression {
    /// The placeholder of a value.
    pub(super) fn value(&mut self, value: AttributeValue) -> &'static str {
        if self.values.capacity() == 0 {
            self.values.reserve(VALUES_USUAL);
        }
        // Past the last placeholder DynamoDB would refuse the expression. The suite sends every one there is.
        let placeholder = PLACEHOLDERS.get(self.values.len()).copied().unwrap_or(":many");
        self.values.insert(placeholder.to_owned(), value);
        placeholder
    }

    fn compared(
        &mut self,
        attribute: &'static str,
        operator: &str,
        value: AttributeValue,
    ) -> String {
        format!("{} {operator} {}", named(attribute), self.value(value))
    }

    /// The attribute has this value.
    pub(super) fn equals(&mut self, attribute: &'static str, value: AttributeValue) -> String {
        self.compared(attribute, "=", value)
    }

    /// There is no item.
    pub(super) fn no_item() -> String {
        format!("attribute_not_exists({})", name::PARTITION)
    }

    /// The status is one in which `event` can happen.
    pub(super) fn takes(&mut self, event: Event) -> String {
        let mut condition = format!("{STATUS} IN (");
        let taking = Status::ALL.into_iter().filter(|status| status.after(event).is_some());
        for (number, status) in taking.enumerate() {
            if number > 0 {
                condition.push_str(", ");
            }
            condition.push_str(self.value(text(status.as_str())));
        }
        condition.push(')');
        condition
    }

    /// The state is of the same acceptance and generation, expired or not.
    pub(super) fn of_life(&mut self, life: &Life) -> String {
        let accepted_id = self.value(text(life.accepted_id.as_str()));
        let generation = self.value(number(life.generation.0));
        format!("({} = {accepted_id} AND {} = {generation})", name::ACCEPTED_ID, name::GENERATION)
    }

    /// The state has not expired.
    pub(super) fn not_expired(&mut self, now: Timestamp) -> String {
        self.compared(name::EXPIRES_AT_MS, ">", time(now))
    }

    /// The item is still the one that was read; none, if none was there. A state that returns to the
    /// same status has begun another attempt or generation in between, or was written later.
    pub(super) fn unchanged(&mut self, read: Option<&State>) -> String {
        match read {
            None => Self::no_item(),
            Some(state) => all(&[
                self.of_life(&state.life),
                self.equals(name::STATUS, text(state.phase.status().as_str())),
                self.equals(name::ATTEMPTS, number(state.attempts)),
                self.equals(name::UPDATED_AT, time(state.updated_at)),
            ]),
        }
    }

    /// What goes beside the text: DynamoDB refuses an empty map.
    pub(super) fn into_values(self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then_some(self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_allow_what_the_table_allows() {
        let mut expression = Expression::default();
        let condition = expression.takes(Event::Claimed);
        assert_eq!(condition, "#status IN (:0, :1, :2)");
        assert_eq!(names(&[&condition]).map(|names| names.len()), Some(1));
        let mut statuses: Vec<_> =
            expression.into_values().unwrap_or_default().into_iter().collect();
        statuses.sort_by(|one, other| one.0.cmp(&other.0));
        let statuses: Vec<_> = statuses.into_iter().map(|(_, status)| status).collect();
        assert_eq!(statuses, ["PENDING", "QUEUED", "RETRYING"].map(text));
    }

    #[test]
    fn only_the_status_needs_another_name() {
        assert_eq!((named(name::STATUS), named(name::REASON)), (STATUS, "reason"));
        assert_eq!(names(&["pk = :0", "attempts = :1"]), None);
    }
}
