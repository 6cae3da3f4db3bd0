//! Requests that are signed, and those that should be.

use reqwest::Method;
use serde_json::json;

use super::holder::{Holder, make, now};
use crate::support::{Client, message, shared};

const POST: (Method, &str) = (Method::POST, "/message");

#[tokio::test]
async fn a_key_that_asks_for_signatures_gets_them() {
    let stack = shared();
    let client = Client::of(stack);
    let made =
        make(&client, json!({ "requireSignature": true, "scopes": ["send", "read", "operate"] }))
            .await;
    let other = make(&client, json!({ "requireSignature": true })).await;
    let holder = Holder::of(stack, &made.key);
    let body = message("signed", &stack.target("/demo/ok")).to_string();
    let secret = made.signing_secret.as_str();
    let unsigned = holder.ask(Method::POST, "/message", Some(body.clone())).await;
    assert_eq!((unsigned.status, &unsigned.json["code"]), (401, &json!("UNAUTHENTICATED")));
    let longer = format!("{body} ");
    for (sent, signed, secret, seconds) in [
        (&longer, &body, secret, now()),
        (&body, &longer, secret, now()),
        (&body, &body, other.signing_secret.as_str(), now()),
        (&body, &body, secret, now() - 301),
        (&body, &body, secret, now() + 310),
        (&body, &body, secret, 0),
    ] {
        let headers = [
            ("webhook-id", "a".to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", super::holder::sign(secret, "a", seconds, signed.as_bytes())),
        ];
        let answer = holder.ask_with(Method::POST, "/message", Some(sent.clone()), &headers).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let partly =
            holder.ask_with(Method::POST, "/message", Some(sent.clone()), &headers[..2]).await;
        assert_eq!(partly.status, 401, "{partly:?}");
    }
    let good = holder.signed(POST, Some(body.clone()), (secret, "a", now())).await;
    let id = good.accepted();
    client.finished(&id).await;

    // Somebody repeats what they saw: nothing is sent again.
    let repeated = holder.signed(POST, Some(body), (secret, "a", now())).await;
    assert_eq!((repeated.status, &repeated.json["duplicate"]), (200, &json!(true)));
    assert_eq!(client.received(&id).await.len(), 1);
}

#[tokio::test]
async fn a_signature_is_for_one_path() {
    let stack = shared();
    let client = Client::of(stack);
    let made =
        make(&client, json!({ "requireSignature": true, "scopes": ["read", "operate"] })).await;
    let holder = Holder::of(stack, &made.key);
    let ids = [
        client.accept(&message("one", &stack.target("/demo/ok"))).await,
        client.accept(&message("other", &stack.target("/demo/ok"))).await,
    ];
    for id in &ids {
        client.finished(id).await;
    }
    let path = |id: &str| format!("/v1/messages/{id}/resend");
    let (one, other) = (path(&ids[0]), path(&ids[1]));
    let name = format!("POST {one}");
    let secret = made.signing_secret.as_str();
    let carried = holder.signed((Method::POST, &other), None, (secret, &name, now())).await;
    assert_eq!(carried.status, 401, "{carried:?}");
    let signed_at = now();
    let same = holder.signed((Method::POST, &one), None, (secret, &name, signed_at)).await;
    assert_eq!(same.status, 202, "{same:?}");
    client.finished(&ids[0]).await;
    let replayed = holder.signed((Method::POST, &one), None, (secret, &name, signed_at)).await;
    assert_eq!((replayed.status, &replayed.json["code"]), (401, &json!("UNAUTHENTICATED")));
    assert_eq!(client.show(&ids[0]).await["generation"], 1, "it was sent again once");
    assert_eq!(client.received(&ids[0]).await.len(), 2);
    let read = format!("/v1/messages/{}?include=body", ids[0]);
    let named = format!("GET {read}");
    assert_eq!(
        holder.signed((Method::GET, &read), None, (secret, &named, now())).await.status,
        200
    );
    let without_query = named.split('?').next().unwrap_or_default();
    let wrong = holder.signed((Method::GET, &read), None, (secret, without_query, now())).await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    assert_eq!(client.show(&ids[1]).await["generation"], 0);
}
