//! The calls to the table for one item, and what their failures mean. Knows keys, no attributes.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use relay_core::identity::RelayId;
use relay_core::ports::PortError;

use super::DynamoStore;
use super::expression::{Expression, names};
use super::item::{Attributes, Item, item, name};
use crate::error::unavailable;

/// The sort key of the request as it was accepted.
pub(super) const MESSAGE: &str = "MESSAGE";
/// The sort key of where it is in its life.
pub(super) const STATE: &str = "STATE";

/// What names one item.
pub(super) struct Key {
    partition: String,
    sort: &'static str,
}

impl Key {
    /// The request as it was accepted.
    pub(super) fn message(id: &RelayId) -> Self {
        Self { partition: id.to_string(), sort: MESSAGE }
    }

    /// Where it is in its life.
    pub(super) fn state(id: &RelayId) -> Self {
        Self { partition: id.to_string(), sort: STATE }
    }

    /// An item that is never there: asking for it costs the least that asking can.
    pub(super) fn nothing() -> Self {
        Self { partition: "ready".to_owned(), sort: "NOTHING" }
    }

    /// The key as the beginning of an item.
    pub(super) fn into_attributes(self) -> [(&'static str, AttributeValue); 2] {
        [
            (name::PARTITION, AttributeValue::S(self.partition)),
            (name::SORT, AttributeValue::S(self.sort.to_owned())),
        ]
    }
}

/// The answer to a conditional write.
pub(super) enum Written {
    /// It is written.
    Done,
    /// The condition did not hold for this item. Empty if there was none.
    Refused(Item),
}

/// The answer to a conditional change.
pub(super) enum Updated {
    /// It is written; this is the item now.
    Done(Item),
    /// The condition did not hold for this item. Empty if there was none.
    Refused(Item),
}

impl DynamoStore {
    /// Reads one item, strongly consistent.
    pub(super) async fn get(
        &self,
        action: &'static str,
        key: &Key,
    ) -> Result<Option<Item>, PortError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(name::PARTITION, AttributeValue::S(key.partition.clone()))
            .key(name::SORT, AttributeValue::S(key.sort.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(action, &error))?;
        Ok(answer.item)
    }

    /// Writes a whole item if the condition holds for the one that is there.
    pub(super) async fn put(
        &self,
        action: &'static str,
        attributes: Attributes,
        condition: String,
        expression: Expression,
    ) -> Result<Written, PortError> {
        let names = names(&[&condition]);
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(attributes)))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(expression.into_values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Written::Refused(refusal.item.clone().unwrap_or_default()))
                }
                Some(_) | None => Err(unavailable(action, &error)),
            },
        }
    }

    /// Changes an item, or begins it, if the condition holds for the one that is there.
    pub(super) async fn update(
        &self,
        action: &'static str,
        key: Key,
        update: String,
        condition: String,
        expression: Expression,
    ) -> Result<Updated, PortError> {
        let names = names(&[&update, &condition]);
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item(key.into_attributes().into())))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(expression.into_values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Updated::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Updated::Refused(refusal.item.clone().unwrap_or_default()))
                }
                Some(_) | None => Err(unavailable(action, &error)),
            },
        }
    }
}
