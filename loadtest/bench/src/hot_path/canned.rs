//! Services that answer without a socket: fixed bytes for each operation, and a count of calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use relay_aws::{Clients, Endpoints};
use serde_json::json;

use crate::stub::MASTER_SECRETS;

/// What a claim answers: a state that this worker holds. Its times lie far ahead, so that they never matter.
const CLAIMED: &str = r#"{"Attributes":{"pk":{"S":"m"},"sk":{"S":"STATE"},"accepted_id":{"S":"07070707070707070707070707070707"},"generation":{"N":"0"},"generation_started_at":{"N":"1795237200000"},"expires_at_ms":{"N":"4102444800000"},"expires_at":{"N":"4102444800"},"status":{"S":"PROCESSING"},"attempts":{"N":"1"},"updated_at":{"N":"1795237200000"},"lease_id":{"S":"07070707070707070707070707070707"},"lease_until":{"N":"4102444800000"}}}"#;

/// The services.
#[derive(Debug, Clone, Default)]
pub(super) struct Canned {
    calls: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Canned {
    /// Clients that call these services.
    pub(super) async fn clients(&self) -> Clients {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "canned"))
            .http_client(self.http_client());
        Clients::load(loader, Endpoints::default()).await
    }

    fn http_client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// Calls by operation so far.
    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or("S3.Call");
        let operation = target.rsplit('.').next().unwrap_or_default();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // A name is allocated once only.
        if let Some(count) = calls.get_mut(operation) {
            *count += 1;
        } else {
            calls.insert(operation.to_owned(), 1);
        }
        let body = request.body().bytes().unwrap_or_default();
        let status = StatusCode::try_from(200_u16);
        let answer = answer(operation, body);
        let Ok(status) = status else { return HttpConnectorFuture::ready(Err(unanswered())) };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, answer.into())))
    }
}

fn unanswered() -> aws_smithy_runtime_api::client::result::ConnectorError {
    aws_smithy_runtime_api::client::result::ConnectorError::other("no status".into(), None)
}

fn answer(operation: &str, body: &[u8]) -> String {
    match operation {
        "UpdateItem" => CLAIMED.to_owned(),
        "BatchExecuteStatement" => {
            let text = std::str::from_utf8(body).unwrap_or_default();
            let count = text.matches("\"Statement\":").count();
            format!("{{\"Responses\":[{}]}}", vec!["{}"; count].join(","))
        }
        "SendMessage" => r#"{"MessageId":"0","MD5OfMessageBody":"0"}"#.to_owned(),
        "SendMessageBatch" => {
            let sent = |id| format!(r#"{{"Id":"{id}","MessageId":"0","MD5OfMessageBody":"0"}}"#);
            let sent: Vec<_> = ids(body).map(sent).collect();
            format!("{{\"Successful\":[{}],\"Failed\":[]}}", sent.join(","))
        }
        "GetSecretValue" => {
            json!({"ARN": "a", "Name": "n", "SecretString": MASTER_SECRETS}).to_string()
        }
        _ => "{}".to_owned(),
    }
}

/// The ids of a batch's entries. Quotes inside of texts are escaped, so nothing else looks so.
fn ids(body: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split("\"Id\":\"").skip(1).filter_map(|rest| rest.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_entries() {
        let body = br#"{"Entries":[{"Id":"a","MessageBody":"{\"Id\":\"no\"}"},{"Id":"b"}]}"#;
        assert_eq!(ids(body).collect::<Vec<_>>(), ["a", "b"]);
    }
}
