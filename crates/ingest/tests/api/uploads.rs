//! Large bodies: announced, uploaded, adopted by the message that names them.

use bytes::Bytes;
use http::StatusCode;
use relay_core::body::{Body, Sha256};
use relay_core::ports::SignedLink;
use relay_core::upload::UploadId;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::relay::{Relay, message_with};

const BODY: Bytes = Bytes::from_static(b"\x00\xff a body that was uploaded");

pub(crate) async fn announce(relay: &Relay) -> Value {
    let request = json!({"bytes": BODY.len(), "sha256": Sha256::of(&BODY).to_string()});
    let answer = relay.post_text("/v1/uploads", request.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    answer.json
}

pub(crate) fn upload(relay: &Relay, announced: &Value) {
    let link = SignedLink {
        url: announced["url"].as_str().unwrap().to_owned(),
        method: "PUT",
        headers: Vec::new(),
        expires_at: relay.clock.now(),
    };
    assert!(relay.payloads.upload(&link, BODY));
}

fn remove_upload(relay: &Relay, announced: &Value) {
    let id = UploadId::parse(announced["uploadId"].as_str().unwrap()).unwrap();
    let pointer = relay_core::body::Pointer {
        bucket: "bucket".to_owned(),
        key: id.key(),
        sha256: id.sha256(),
        bytes: id.bytes(),
    };
    relay.payloads.remove(&pointer);
}

pub(crate) fn naming(announced: &Value) -> Value {
    message_with(json!({"body": null, "payload": {"uploadId": announced["uploadId"]}}))
}

#[tokio::test]
async fn an_uploaded_body_is_delivered_like_any_other() {
    let relay = Relay::new();
    let announced = announce(&relay).await;
    assert_eq!(announced["method"], "PUT");
    assert!(announced["headers"].is_object());
    assert!(announced["expiresAt"].is_string());
    upload(&relay, &announced);
    let answer = relay.post(&naming(&announced)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let sent = relay.drain();
    assert!(matches!(sent[0].body, Body::Stored(_)));
    assert_eq!(relay.body_of(&sent[0]).await, BODY);
    assert_eq!(sent[0].headers.get("content-type"), Some("application/octet-stream"));
    let again = relay.post(&naming(&announced)).await;
    assert_eq!((again.status, &again.json["duplicate"]), (StatusCode::OK, &json!(true)));
}

#[tokio::test]
async fn an_upload_that_is_not_there_is_refused_and_blocks_nothing() {
    let relay = Relay::new();
    let announced = announce(&relay).await;
    let refused = relay.post(&naming(&announced)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"));
    assert_eq!(refused.json["errors"][0]["pointer"], "/payload/uploadId");
    assert!(relay.store.ids().is_empty());
    upload(&relay, &announced);
    assert_eq!(relay.post(&naming(&announced)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_message_is_recognised_after_its_upload_has_expired() {
    let relay = Relay::new();
    let announced = announce(&relay).await;
    upload(&relay, &announced);
    relay.post(&naming(&announced)).await;
    remove_upload(&relay, &announced);
    let again = relay.post(&naming(&announced)).await;
    assert_eq!((again.status, &again.json["duplicate"]), (StatusCode::OK, &json!(true)));
}

#[tokio::test]
async fn f01_an_uploaded_body_that_was_cut_off_is_finished_without_its_upload() {
    for step in ["record", "send"] {
        for fault in [Fault::Before, Fault::After] {
            let relay = Relay::new();
            let announced = announce(&relay).await;
            upload(&relay, &announced);
            relay.faults.plan(step, fault);
            assert_eq!(relay.post(&naming(&announced)).await.code(), "SYSTEM_ERROR");
            if (step, fault) != ("record", Fault::Before) {
                remove_upload(&relay, &announced);
            }
            let retry = relay.post(&naming(&announced)).await;
            assert_eq!(retry.status, StatusCode::ACCEPTED, "{step} {fault:?}");
            for sent in relay.drain() {
                assert_eq!(relay.body_of(&sent).await, BODY);
            }
        }
    }
}

#[tokio::test]
async fn the_same_bytes_are_the_same_body_whichever_way_they_come() {
    let relay = Relay::new();
    let announced = announce(&relay).await;
    upload(&relay, &announced);
    relay.post(&naming(&announced)).await;
    let text = data_encoding::BASE64.encode(&BODY);
    let again = relay.post(&message_with(json!({"body": text, "bodyEncoding": "base64"}))).await;
    assert_eq!(again.json["duplicate"], true);
}

#[tokio::test]
async fn uploads_have_a_limit_and_rules() {
    let relay = Relay::with(&[("PAYLOAD_BYTES_MAX", "2000")]);
    let sha256 = Sha256::of(b"").to_string();
    let post = async |request: Value| relay.post_text("/v1/uploads", request.to_string()).await;
    let over = post(json!({"bytes": 2001, "sha256": sha256})).await;
    assert_eq!((over.status, over.code()), (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"));
    let wrong = post(json!({"bytes": "1", "sha": sha256})).await;
    assert_eq!(wrong.code(), "VALIDATION_ERROR");
    assert_eq!(wrong.errors().len(), 3);
    relay.faults.plan("upload_link", Fault::Before);
    assert_eq!(post(json!({"bytes": 1, "sha256": sha256})).await.code(), "SYSTEM_ERROR");
}

#[tokio::test]
async fn an_upload_larger_than_todays_limit_is_refused() {
    let relay = Relay::with(&[("PAYLOAD_BYTES_MAX", "2000")]);
    let upload = UploadId::announce([1; 16], Sha256::of(b""), 2001);
    let answer = relay.post(&naming(&json!({"uploadId": upload.to_string()}))).await;
    assert_eq!(answer.errors(), ["/payload: has 2001 bytes; the limit is 2000"]);
}
