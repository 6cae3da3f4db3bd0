//! Keys: which are good, for what, for whom, and from where.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::holder::{Holder, make};
use crate::support::{Answer, Client, Launch, SOON, message, shared, unique, until};

/// How long a key may be remembered here, and a little more for what was under way.
const CACHE_TIME: Duration = Duration::from_millis(1500);

/// What a refusal must look like; it tells nothing else.
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (status, &Value::from(code)),
        "{:?}",
        answer.json
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
}

#[tokio::test]
async fn who_has_no_good_key_is_not_heard() {
    let stack = shared();
    let message = message("nobody", &stack.target("/demo/ok"));
    let made = make(&Client::of(stack), json!({})).await;
    let other = make(&Client::of(stack), json!({})).await;
    let mistyped = made.key.replace(&made.id, &other.id);
    let wrong_secret = {
        let drawn = [[1; 16], [2; 16]];
        let id = relay_core::access::KeyId::parse(&made.id).expect("the answer has a key's id");
        relay_core::access::ApiKey::of(id, drawn).reveal()
    };
    let unknown = relay_core::access::ApiKey::draw([9; 16], [[1; 16], [2; 16]]).reveal();
    let nobody = || Holder::nobody(stack);
    for holder in [
        nobody(),
        nobody().with("x-api-key", ""),
        nobody().with("x-api-key", &mistyped),
        nobody().with("x-api-key", &wrong_secret),
        nobody().with("x-api-key", &unknown),
        nobody().with("authorization", &format!("Basic {}", made.key)),
        nobody().with("authorization", &made.key),
        nobody()
            .with("x-api-key", &made.key)
            .with("authorization", &format!("Bearer {}", other.key)),
        nobody().with("x-api-key", &made.key).with("x-api-key", &other.key),
        nobody().with("cookie", &format!("x-api-key={}", made.key)),
    ] {
        refused(&holder.post("/message", &message).await, 401, "UNAUTHENTICATED");
        refused(
            &holder.get("/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await,
            401,
            "UNAUTHENTICATED",
        );
    }
    assert_eq!(nobody().get("/health").await.status, 200);
    assert_eq!(nobody().get("/openapi.json").await.status, 200);
    refused(&nobody().get("/health/ready").await, 401, "UNAUTHENTICATED");
    for header in
        [("x-api-key", made.key.clone()), ("authorization", format!("Bearer {}", made.key))]
    {
        let answer = nobody().with(header.0, &header.1).post("/message", &message).await;
        assert!([200, 202].contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test]
async fn a_key_is_for_its_senders_and_scopes_alone() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let other =
        make(&client, json!({ "senders": ["other"], "scopes": ["send", "read", "operate"] })).await;
    let other = Holder::of(stack, &other.key);
    let id = client.accept(&message("ours", &target)).await;
    refused(&other.post("/message", &message("theirs", &target)).await, 403, "FORBIDDEN");
    let hidden = other.get(&format!("/v1/messages/{id}")).await;
    let missing = other.get("/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    refused(&hidden, 404, "NOT_FOUND");
    let told = |answer: &Answer| {
        (answer.json["detail"].clone(), answer.json["title"].clone(), answer.json["code"].clone())
    };
    assert_eq!(told(&hidden), told(&missing), "nothing tells that it exists");
    client.finished(&id).await;
    for again in ["redrive", "resend"] {
        let answer = other.ask(Method::POST, &format!("/v1/messages/{id}/{again}"), None).await;
        refused(&answer, 404, "NOT_FOUND");
    }
    let reader = make(&client, json!({ "scopes": ["read"] })).await;
    let reader = Holder::of(stack, &reader.key);
    assert_eq!(reader.get(&format!("/v1/messages/{id}")).await.status, 200);
    refused(&reader.post("/message", &message("no", &target)).await, 403, "FORBIDDEN");
    let resend = reader.ask(Method::POST, &format!("/v1/messages/{id}/resend"), None).await;
    refused(&resend, 403, "FORBIDDEN");
    refused(&reader.get("/v1/destinations/example.com").await, 403, "FORBIDDEN");
    refused(&reader.get("/v1/api-keys").await, 403, "FORBIDDEN");
    refused(
        &reader.post("/v1/signing-secrets", &json!({ "senderId": "tests" })).await,
        403,
        "FORBIDDEN",
    );
    assert_eq!(client.show(&id).await["generation"], 0, "nobody set it going again");
}

#[tokio::test]
async fn a_key_is_good_from_its_addresses_whatever_headers_say() {
    let stack = shared();
    let client = Client::of(stack);
    let path = "/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let elsewhere =
        make(&client, json!({ "allowedIps": ["203.0.113.0/24", "2001:db8::/32"] })).await;
    let tricks = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "203.0.113.7, 127.0.0.1"),
        ("forwarded", "for=203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("true-client-ip", "203.0.113.7"),
        ("cf-connecting-ip", "203.0.113.7"),
        ("x-client-ip", "2001:db8::1"),
        ("x-amzn-source-ip", "203.0.113.7"),
    ];
    refused(&Holder::of(stack, &elsewhere.key).get(path).await, 403, "FORBIDDEN");
    for (name, value) in tricks {
        let once = Holder::of(stack, &elsewhere.key).with(name, value);
        refused(&once.get(path).await, 403, "FORBIDDEN");
        refused(&once.with(name, "203.0.113.8").get(path).await, 403, "FORBIDDEN");
    }
    for block in ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:7f00:0/104", "0.0.0.0/0"]
    {
        let here = make(&client, json!({ "allowedIps": ["203.0.113.9/32", block] })).await;
        let here = Holder::of(stack, &here.key).with("x-forwarded-for", "198.51.100.1");
        assert_eq!(here.get(path).await.status, 404, "{block}");
    }
}

#[tokio::test]
async fn a_revoked_a_changed_and_an_expired_key_are_known_as_such_within_the_cache_time() {
    let stack = Launch::new("revoked")
        .parameter("BatchWindowSeconds", "0")
        .setting("AUTHENTICATION_CACHE_SECONDS", "1")
        .start();
    let client = Client::of(&stack);
    let path = "/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let status = async |key: &str| Holder::of(&stack, key).get(path).await.status;
    // The promise is this time and no less: whoever read the key before may go on believing it for so long.
    let becomes = async |key: &str, wanted: u16| {
        tokio::time::sleep(CACHE_TIME).await;
        for _ in 0..5 {
            assert_eq!(status(key).await, wanted);
        }
    };
    let revoked = make(&client, json!({})).await;
    assert_eq!(status(&revoked.key).await, 404);
    let answer = client
        .answer(client.request(Method::DELETE, &format!("/v1/api-keys/{}", revoked.id)))
        .await;
    assert_eq!(answer.status, 204);
    becomes(&revoked.key, 401).await;

    let narrowed = make(&client, json!({})).await;
    assert_eq!(status(&narrowed.key).await, 404);
    let patch = client.request(Method::PATCH, &format!("/v1/api-keys/{}", narrowed.id));
    let patch = patch.header("content-type", "application/json").body(r#"{"scopes": ["send"]}"#);
    assert_eq!(client.answer(patch).await.status, 200);
    becomes(&narrowed.key, 403).await;

    let end = relay_core::time::Timestamp::from_millis((super::holder::now() + 3) * 1000);
    let expiring = make(&client, json!({ "expiresAt": end.to_string() })).await;
    assert_eq!(status(&expiring.key).await, 404);
    until("the key has expired", SOON, async || (status(&expiring.key).await == 401).then_some(()))
        .await;
}

#[tokio::test]
async fn no_administrator_gets_beyond_their_senders() {
    let stack = shared();
    let client = Client::of(stack);
    let sender = unique("tenant");
    let made = make(&client, json!({ "senders": [sender], "scopes": ["admin"] })).await;
    let foreign = make(&client, json!({ "senders": ["tests"] })).await;
    let tenant = Holder::of(stack, &made.key);
    for senders in [json!(["*"]), json!(["tests"]), json!([sender, "tests"])] {
        let rules = json!({ "name": "escape", "senders": senders, "scopes": ["send"] });
        refused(&tenant.post("/v1/api-keys", &rules).await, 403, "FORBIDDEN");
    }
    let foreign_path = format!("/v1/api-keys/{}", foreign.id);
    refused(&tenant.get(&foreign_path).await, 404, "NOT_FOUND");
    refused(&tenant.ask(Method::DELETE, &foreign_path, None).await, 404, "NOT_FOUND");
    refused(&tenant.post(&format!("{foreign_path}/rotate"), &json!({})).await, 404, "NOT_FOUND");
    refused(&tenant.get("/v1/signing-secrets/tests?include=secret").await, 404, "NOT_FOUND");
    let rules = json!({ "name": "own", "senders": [sender], "scopes": ["send"] });
    assert_eq!(tenant.post("/v1/api-keys", &rules).await.status, 201);
    let listed = tenant.get("/v1/api-keys").await.json.to_string();
    assert!(listed.contains(&made.id) && !listed.contains(&foreign.id), "{listed}");
    assert!(
        !listed.contains("rk_") && !listed.contains("whsec_") && !listed.contains("hash"),
        "{listed}"
    );
}
