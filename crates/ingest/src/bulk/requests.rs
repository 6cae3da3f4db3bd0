//! The requests about many messages: how they are read as far as they are one, and how they are described.

use relay_core::identity::RelayId;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::mistakes::Mistakes;
use crate::object::read_list_request;
use crate::openapi::MessageRequest;

/// Most messages in one request: a hundred are the most that answer each other's wait for the services, and a request of
/// bodies of 29 KiB each is as large as one may be.
pub const MESSAGES_MAX: usize = 100;
/// The fields of a request that brings messages.
pub const MESSAGES_FIELDS: [&str; 1] = ["messages"];
/// The fields of a request that names messages.
pub const IDS_FIELDS: [&str; 1] = ["ids"];

/// Messages to be delivered.
#[derive(ToSchema)]
#[schema(example = json!({"messages": [
    {"messageId": "order-1042", "senderId": "billing", "targetUrl": "https://api.example.com/hooks", "body": {"any": "json"}},
    {"messageId": "order-1043", "senderId": "billing", "targetUrl": "https://api.example.com/hooks", "method": "PUT"},
]}))]
pub struct BulkRequest {
    /// The messages, each as for `POST /v1/messages`.
    #[schema(max_items = 100, min_items = 1)]
    pub messages: Vec<MessageRequest>,
}

/// Messages that were accepted before.
#[derive(ToSchema)]
#[schema(example = json!({"ids": ["msg_ggpnalxhrmz5ug4m3zbksnfqyv4x7v5i", "msg_23q5hw4qmbdrwfa6pk5zvnimzrkzcuhy"]}))]
pub struct IdsRequest {
    /// The relay's ids of them: `msg_` and 32 characters each.
    #[schema(max_items = 100, min_items = 1)]
    pub ids: Vec<String>,
}

/// The text of each message of a request.
pub(super) fn messages(bytes: &[u8]) -> Result<Vec<&RawValue>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let items = read_list_request(bytes, &MESSAGES_FIELDS, &mut mistakes).and_then(|object| {
        object.require(&MESSAGES_FIELDS, &mut mistakes);
        object.items("messages", "messages", 1..=MESSAGES_MAX, &mut mistakes)
    });
    mistakes.or(items)
}

/// The pointer to a message of a request.
pub(super) fn place(index: usize) -> String {
    format!("/messages/{index}")
}

/// The ids that a request names. A text that is no id is the id of no message.
pub(super) fn ids(bytes: &[u8]) -> Result<Vec<Option<RelayId>>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let ids = read_list_request(bytes, &IDS_FIELDS, &mut mistakes).and_then(|object| {
        object.require(&IDS_FIELDS, &mut mistakes);
        let parse = |text: &str| Ok(RelayId::parse(text).ok());
        object.list("ids", 1..=MESSAGES_MAX, parse, &mut mistakes)
    });
    mistakes.or(ids)
}
