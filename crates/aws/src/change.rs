//! Conditional changes of items that are no messages, and their attributes. What a change is, and on which condition, is
//! for those who make it.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use relay_core::ports::PortError;

use crate::error::unavailable;

/// The table's keys.
pub(crate) const PARTITION: &str = "pk";
pub(crate) const SORT: &str = "sk";

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Changes an item on a condition: what the change answers, or what is there instead (no attributes if nothing is).
pub(crate) async fn changed(
    action: &'static str,
    update: UpdateItemFluentBuilder,
) -> Result<Result<Item, Item>, PortError> {
    let update = update
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match update.send().await {
        Ok(answer) => Ok(Ok(answer.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(Err(refusal.item.clone().unwrap_or_default()))
            }
            Some(_) | None => Err(unavailable(action, &error)),
        },
    }
}

pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
