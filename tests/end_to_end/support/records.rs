//! The table as an operator sees it: through the SDK, with the values of the file to source. Tests change
//! records by hand, to have what a crash or the time of a clock would leave.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;

use super::Stack;

/// The table of a stack.
pub(crate) struct Records {
    client: Client,
    table: String,
}

impl Records {
    pub(crate) fn of(stack: &Stack) -> Self {
        let variable = |name: &str| stack.environment[name].clone();
        let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB"))
            .region(Region::new(variable("AWS_REGION")))
            .credentials_provider(Credentials::new(id, secret, None, None, "env file"))
            .build();
        Self { client: Client::from_conf(config), table: variable("DYNAMODB_TABLE") }
    }

    /// Sets attributes of a message's STATE, which has to be there, and takes others away.
    pub(crate) async fn change_state(
        &self,
        id: &str,
        set: &[(&str, AttributeValue)],
        remove: &[&str],
    ) {
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let mut update = self.client.update_item().table_name(&self.table);
        update = update.key("pk", key(id)).key("sk", key("STATE"));
        update = update.condition_expression("attribute_exists(pk)");
        let mut assignments = Vec::new();
        for (name, value) in set {
            assignments.push(format!("#{name} = :{name}"));
            update = update.expression_attribute_names(format!("#{name}"), *name);
            update = update.expression_attribute_values(format!(":{name}"), value.clone());
        }
        let mut expression = format!("SET {}", assignments.join(", "));
        if !remove.is_empty() {
            expression = format!("{expression} REMOVE #{}", remove.join(", #"));
        }
        for name in remove {
            update = update.expression_attribute_names(format!("#{name}"), *name);
        }
        update.update_expression(expression).send().await.expect("the state can be changed");
    }
}

/// A number of an item.
pub(crate) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A text of an item.
pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
