//! The roles of the template against the calls that were made: everything called is allowed, and
//! everything allowed is called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use data_encoding::HEXLOWER;
use relay_local::stack::{access_key_id, surroundings};
use relay_local::template::{Description, Template};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{
    Client, Launch, Queues, Records, SOON, Stack, message, number, template_with, text, until,
};

/// What is allowed and not called here, by the start of the action, with the reason for each.
const NOT_CALLED_HERE: [(&str, &str); 2] = [
    ("logs:", "Lambda writes the logs, not the functions"),
    ("s3:ListBucket", "S3 asks for it where an object is missing, which is no call of its own"),
];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Call {
    caller: String,
    action: String,
    resource: String,
}

/// The template as the stack reads it.
fn description() -> Description {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = Template::read(&path).unwrap();
    template.describe(&surroundings("http://127.0.0.1:0"), &BTreeMap::new()).unwrap()
}

/// A resource as the record of calls writes it: what comes after the account in its ARN.
fn resource_of(arn: &str) -> String {
    let name = arn.splitn(6, ':').nth(5).unwrap_or_else(|| panic!("{arn} is no ARN"));
    name.strip_prefix("table/").unwrap_or(name).to_owned()
}

/// Everything that the role of each function allows, as calls of that function; and the role's name. What it denies
/// are items: the record of calls names tables only, so a denied call of an item looks like an allowed one here.
fn allowed(description: &Description) -> BTreeMap<Call, String> {
    let mut allowed = BTreeMap::new();
    for function in &description.functions {
        let role = function.role.clone().expect("each function has a role of its own");
        for statement in &description.role(&role).unwrap().statements {
            for action in &statement.actions {
                for resource in &statement.resources {
                    let call = Call {
                        caller: access_key_id(&function.binary),
                        action: action.clone(),
                        resource: resource_of(resource),
                    };
                    allowed.insert(call, role.clone());
                }
            }
        }
    }
    allowed
}

/// Goes every way that a message can go.
async fn exercise(stack: &Stack, client: &Client) {
    let target = |path: &str| stack.target(path);
    assert_eq!(client.get("/health/ready").await.status, 200);
    // Before the first message, or the worker would remember for a while that nothing is signed.
    exercise_access(client).await;
    let first = message("roles", &target("/demo/ok"));
    let mut ids = vec![client.accept(&first).await];
    assert_eq!(client.post(&first).await.status, 200, "a duplicate");
    ids.push(client.accept(&message("roles", &target("/demo/flaky/1"))).await);
    let dead = message("roles", &target("/demo/flaky/2"));
    let dead_id = client.accept(&dead).await;
    for bytes in [20_000, 300_000] {
        let mut large = message("roles", &target("/demo/ok"));
        large["body"] = json!("x".repeat(bytes));
        ids.push(client.accept(&large).await);
    }
    ids.push(by_upload(client, &target("/demo/ok")).await);
    for id in &ids {
        assert_eq!(client.finished(id).await["status"], "DELIVERED");
        let shown = client.get(&format!("/v1/messages/{id}?include=body")).await.json;
        if let Some(url) = shown["bodyUrl"].as_str() {
            client.download(url).await;
        }
    }
    assert_eq!(client.finished(&dead_id).await["status"], "DEAD");
    let queues = Queues::of(stack);
    queues.dead_letter("messageId", dead["messageId"].as_str().unwrap()).await;
    queues.redrive().await;
    until("DELIVERED after a redrive", SOON, async || {
        (client.show(&dead_id).await["status"] == "DELIVERED").then_some(())
    })
    .await;
    queues.drained().await;
    let again = message("roles", &target("/demo/flaky/2"));
    let id = client.accept(&again).await;
    assert_eq!(client.finished(&id).await["status"], "DEAD");
    for wish in ["redrive", "resend"] {
        let answer = client.post_text(&format!("/v1/messages/{id}/{wish}"), "").await;
        assert_eq!(answer.status, 202, "{wish}: {answer:?}");
        assert_eq!(client.finished(&id).await["status"], "DELIVERED", "{wish}");
    }
    let host = stack.receiver_url.trim_start_matches("http://");
    assert_eq!(client.get(&format!("/v1/destinations/{host}")).await.status, 200);
}

/// Makes, lists, changes, replaces and revokes what the access to the relay hangs on.
async fn exercise_access(client: &Client) {
    let key = json!({ "name": "roles", "senders": ["tests"], "scopes": ["send"] });
    let made = client.post_text("/v1/api-keys", key.to_string()).await;
    assert_eq!(made.status, 201, "no key: {}", made.json["code"]);
    let path = format!("/v1/api-keys/{}", made.json["id"].as_str().unwrap());
    let secret = json!({ "senderId": "tests" });
    let secret = client.post_text("/v1/signing-secrets", secret.to_string()).await;
    assert_eq!(secret.status, 201, "no secret: {}", secret.json["code"]);
    for list in ["/v1/api-keys", "/v1/signing-secrets", "/v1/signing-secrets/tests", &path] {
        assert_eq!(client.get(list).await.status, 200, "{list}");
    }
    let rotate = [format!("{path}/rotate"), "/v1/signing-secrets/tests/rotate".to_owned()];
    for rotate in rotate {
        assert_eq!(client.post_text(&rotate, "{}").await.status, 200, "{rotate}");
    }
    let change = client.request(Method::PATCH, &path).header("content-type", "application/json");
    assert_eq!(client.answer(change.body(r#"{"name":"other"}"#)).await.status, 200);
    let revoked = client.answer(client.request(Method::DELETE, &path)).await;
    assert!((200..300).contains(&revoked.status), "not revoked: {}", revoked.json["code"]);
}

/// Long ago, in milliseconds: whatever waits for a time to pass, or for somebody else to go on, is over.
const LONG_AGO: u64 = 1;

/// Has the reconciler do all that it can do, on a stack whose queue gives a message up on its own at its
/// second receive.
async fn exercise_upkeep(stack: &Stack, client: &Client) {
    let records = Records::of(stack);
    let id = client.accept(&message("upkeep", &stack.target("/demo/flaky/1"))).await;
    until("a letter that the queue moved", SOON, async || {
        let waits = client.show(&id).await["status"] == "RETRYING";
        (waits && Queues::of(stack).dead_letter_count().await == 1).then_some(())
    })
    .await;
    records.change_state(&id, &[("not_before", number(LONG_AGO))], &[]).await;
    client.reconcile().await;
    assert_eq!(client.show(&id).await["status"], "DEAD", "given up, and buried properly");
    assert_eq!(client.reconcile().await["removed"], 0, "looked at, and left");
    // Set going again by somebody who died before the queue heard of it.
    let pending = [
        ("status", text("PENDING")),
        ("generation", number(1)),
        ("attempts", number(0)),
        ("updated_at", number(LONG_AGO)),
        ("dead_at", number(LONG_AGO)),
    ];
    records.change_state(&id, &pending, &["reason", "buried"]).await;
    client.reconcile().await;
    assert_eq!(client.finished(&id).await["status"], "DELIVERED", "sent again");
    until("no letter of the generation before", SOON, async || {
        client.reconcile().await;
        (Queues::of(stack).dead_letter_count().await == 0).then_some(())
    })
    .await;
    // One that the worker buries: nobody has its body any more.
    let gone = client.accept(&message("upkeep", &stack.target("/demo/status/410"))).await;
    assert_eq!(client.finished(&gone).await["status"], "DEAD", "gone");
    until("its letter, which comes after its body", SOON, async || {
        (Queues::of(stack).dead_letter_count().await == 1).then_some(())
    })
    .await;
}

/// Has several messages written together: by the request that brings them, and by the worker in lean tracking, as soon as
/// two of them come to it at once.
async fn exercise_together(stack: &Stack, client: &Client) {
    until("results that are written together", SOON, async || {
        let sent: Vec<_> = (0..10).map(|_| message("many", &stack.target("/demo/ok"))).collect();
        let text = json!({ "messages": sent }).to_string();
        let answer = client.post_text("/v1/messages/bulk", text).await;
        for result in answer.json["results"].as_array().unwrap() {
            client.finished(result["id"].as_str().unwrap()).await;
        }
        let worker = access_key_id("worker");
        let is_it = |call: &Call| call.caller == worker && call.action == "dynamodb:PartiQLInsert";
        calls(client).await.iter().any(is_it).then_some(())
    })
    .await;
}

async fn by_upload(client: &Client, target: &str) -> String {
    let bytes = b"uploaded".to_vec();
    let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
    let announcement = json!({ "bytes": bytes.len(), "sha256": sha256 });
    let upload = client.post_text("/v1/uploads", announcement.to_string()).await.json;
    let mut put = client.request(Method::PUT, upload["url"].as_str().unwrap());
    for (name, value) in upload["headers"].as_object().unwrap() {
        if name != "content-length" {
            put = put.header(name, value.as_str().unwrap());
        }
    }
    assert_eq!(put.body(bytes).send().await.unwrap().status(), 200);
    let mut uploaded = message("roles", target);
    uploaded.as_object_mut().unwrap().remove("body");
    uploaded["payload"] = json!({ "uploadId": upload["uploadId"] });
    client.accept(&uploaded).await
}

/// What was called so far.
async fn calls(client: &Client) -> Vec<Call> {
    serde_json::from_value(client.get("/_local/calls").await.json).unwrap()
}

/// A stack on which messages die quickly.
fn launch(name: &str) -> Launch {
    Launch::new(name)
        .parameter("BatchWindowSeconds", "0")
        .setting("RETRY_ATTEMPTS_MAX", "2")
        .setting("RETRY_BASE_SECONDS", "0.1")
}

#[tokio::test]
async fn each_role_allows_what_its_function_calls_and_nothing_more() {
    let stack = launch("roles").start();
    let client = Client::of(&stack);
    exercise(&stack, &client).await;
    let mut calls_seen = calls(&client).await;
    // What the queue moves on its own it moves at its first doubt here.
    let template = template_with(&[("maxReceiveCount: 1000", "maxReceiveCount: 1")]);
    let stack = launch("upkeep").template(&template).parameter("RetainBodies", "false").start();
    let client = Client::of(&stack);
    exercise_upkeep(&stack, &client).await;
    calls_seen.extend(calls(&client).await);
    let stack = launch("together").parameter("StatusTracking", "lean").start();
    let client = Client::of(&stack);
    exercise_together(&stack, &client).await;
    calls_seen.extend(calls(&client).await);

    let description = description();
    for function in &description.functions {
        let role = description.role(function.role.as_deref().unwrap()).unwrap();
        let writes_keys = function.binary == "ingest";
        assert_eq!(role.denials.is_empty(), writes_keys, "{role:?}");
        // A denial that nothing allows in the first place would be there for nothing.
        let denied = role.denials.iter().flat_map(|denial| &denial.of.actions);
        let is_allowed = |action: &&String| {
            role.statements.iter().any(|statement| statement.actions.contains(action))
        };
        assert!(writes_keys || denied.filter(is_allowed).count() > 0, "{role:?}");
    }
    let allowed = allowed(&description);
    let callers: BTreeSet<&str> = allowed.keys().map(|call| call.caller.as_str()).collect();
    assert_eq!(callers.len(), 3, "{callers:?}");
    let of_functions = calls_seen.into_iter().filter(|call| callers.contains(call.caller.as_str()));
    let called: BTreeSet<Call> = of_functions.collect();

    let refused: Vec<_> = called.iter().filter(|call| !allowed.contains_key(call)).collect();
    assert!(refused.is_empty(), "called and not allowed by the role: {refused:#?}");
    let is_excepted =
        |call: &Call| NOT_CALLED_HERE.iter().any(|(action, _)| call.action.starts_with(action));
    let (excepted, unused): (Vec<_>, Vec<_>) = allowed
        .iter()
        .filter(|(call, _)| !called.contains(call))
        .partition(|(call, _)| is_excepted(call));
    assert!(unused.is_empty(), "allowed by the role and never called: {unused:#?}");
    for (action, why) in NOT_CALLED_HERE {
        let is_needed = excepted.iter().any(|(call, _)| call.action.starts_with(action));
        assert!(is_needed, "no exception is needed for {action}: {why}");
    }
}
