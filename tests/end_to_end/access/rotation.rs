//! Rotation, both ways: keys of clients, and the secrets that deliveries are signed with.

use std::time::Duration;

use serde_json::{Value, json};

use super::holder::{Holder, Made, make, sign};
use crate::support::{Client, SOON, Stack, message, shared, unique, until};

#[tokio::test]
async fn f33_the_old_key_and_the_new_one_are_good_together() {
    let stack = shared();
    let client = Client::of(stack);
    let first = make(&client, json!({})).await;
    let rotate = async |grace: Value| {
        let path = format!("/v1/api-keys/{}/rotate", first.id);
        client.post_text(&path, grace.to_string()).await
    };
    let second = Made::of(&rotate(json!({ "gracePeriodSeconds": 3600 })).await);
    assert_eq!(second.id, first.id);
    assert_ne!(second.signing_secret, first.signing_secret);
    let path = "/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let newer = Holder::of(stack, &second.key).get(path).await;
    assert_eq!((newer.status, newer.header("deprecation"), newer.header("sunset")), (404, "", ""));
    // An environment that read the key before does not know yet that it was rotated.
    let older = until("the old version is told to be old", SOON, async || {
        let older = Holder::of(stack, &first.key).get(path).await;
        assert_eq!(older.status, 404, "{older:?}");
        older.headers.contains_key("sunset").then_some(older)
    })
    .await;
    assert!(older.header("deprecation").starts_with('@'), "{older:?}");
    assert!(older.header("sunset").ends_with("GMT"), "{older:?}");

    assert_eq!(rotate(json!({ "gracePeriodSeconds": 3600 })).await.status, 200);
    let too_many = rotate(json!({ "gracePeriodSeconds": 3600 })).await;
    assert_eq!((too_many.status, &too_many.json["code"]), (409, &json!("STATE_CONFLICT")));
    let last = Made::of(&rotate(json!({ "gracePeriodSeconds": 0 })).await);
    assert_eq!(Holder::of(stack, &last.key).get(path).await.status, 404);
    // Without a grace period the others end as soon as nobody remembers them.
    for old in [&first.key, &second.key] {
        until("a replaced version ends", CACHE_TIME, async || {
            let answer = Holder::of(stack, old).get(path).await;
            assert!([401, 404].contains(&answer.status), "{answer:?}");
            (answer.status == 401).then_some(())
        })
        .await;
    }
    for grace in [json!(-1), json!(604_801), json!("1"), json!(1.5)] {
        let answer = rotate(json!({ "gracePeriodSeconds": grace })).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec!["/gracePeriodSeconds"]),
            "{grace}"
        );
    }
}

/// How long a key may be remembered (`AUTHENTICATION_CACHE_SECONDS` of the template), and a little more.
const CACHE_TIME: Duration = Duration::from_secs(65);

/// The signatures of a message that is delivered now, and what they must be by these secrets.
async fn delivered(
    stack: &Stack,
    client: &Client,
    sender: &str,
    secrets: &[&str],
) -> (String, String) {
    let mut message = message("signed", &stack.target("/demo/ok"));
    message["senderId"] = json!(sender);
    let id = client.accept(&message).await;
    client.finished(&id).await;
    let received = client.received(&id).await;
    let header = |name: &str| received[0].header(name).unwrap_or_default().to_owned();
    let seconds = header("webhook-timestamp").parse().expect("a delivery has a time");
    let expected = secrets.iter().map(|secret| sign(secret, &id, seconds, &received[0].body()));
    (header("webhook-signature"), expected.collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn f33_deliveries_are_signed_by_the_old_secret_and_the_new_one() {
    let stack = shared();
    let client = Client::of(stack);
    let sender = unique("rotating");
    let secret = |answer: &Value| answer["signingSecret"].as_str().expect("it is shown").to_owned();
    let made =
        client.post_text("/v1/signing-secrets", json!({ "senderId": sender }).to_string()).await;
    assert_eq!(made.status, 201, "{:?}", made.json["code"]);
    let first = secret(&made.json);
    let (signature, expected) = delivered(stack, &client, &sender, &[&first]).await;
    assert_eq!(signature, expected);

    let path = format!("/v1/signing-secrets/{sender}/rotate");
    let rotated = client.post_text(&path, r#"{"gracePeriodSeconds": 3600}"#).await;
    assert_eq!(rotated.status, 200);
    let second = secret(&rotated.json);
    // Workers notice within a minute, and until then sign with the old secret, which is good.
    let within = Duration::from_secs(90);
    until("both signatures", within, async || {
        let (signature, both) = delivered(stack, &client, &sender, &[&second, &first]).await;
        let (_new, old) = both.split_once(' ').expect("two signatures have a space");
        assert!(signature == both || signature == old, "{signature} is neither of {both}");
        (signature == both).then_some(())
    })
    .await;
    let shown = client.get(&format!("/v1/signing-secrets/{sender}")).await;
    assert!(!shown.json.to_string().contains("whsec_"), "{:?}", shown.json);
    let shown =
        client.get(&format!("/v1/signing-secrets/{sender}?include=secret")).await.json.to_string();
    assert!(shown.contains(&first) && shown.contains(&second), "both live secrets are shown");
}
