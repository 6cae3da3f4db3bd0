//! Secrets stay secret: every way in which one passes through the relay, with the loudest log there is. Whatever was
//! said until the end is looked through when the stack ends; the other tests are looked through the same way.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Launch, SOON, message, until};

/// What the log of a function holds of a request that was answered with an error.
const LOGGED: &str = "UNAUTHENTICATED";

/// A text of an answer that is a secret; the answer itself is not shown when it lacks it.
fn secret(answer: &Value, name: &str) -> String {
    let text = answer[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in the answer {}", answer["code"])).to_owned()
}

/// Asks for the same thing with a key in every place that a client might put it.
async fn misplaced(client: &Client, key: &str) {
    let doubled = format!("{key},{key}");
    let placed = [
        ("authorization", format!("Bearer {key}x")),
        ("authorization", format!("Basic {key}")),
        ("authorization", key.to_owned()),
        ("authorization", format!("Bearer {doubled}")),
        ("x-api-key", doubled),
        ("x-api-key", format!("\"{key}\"")),
        ("cookie", format!("key={key}")),
    ];
    for (name, value) in placed {
        let request = client.request(Method::GET, "/v1/api-keys").header(name, value);
        assert_eq!(client.answer(request).await.status, 401, "{name}");
    }
    for path in [format!("/v1/api-keys?key={key}"), format!("/v1/api-keys/{key}")] {
        assert_eq!(client.get(&path).await.status, 401);
    }
}

#[tokio::test]
async fn no_line_of_the_loudest_log_shows_a_secret() {
    let stack = Launch::new("secrets")
        .parameter("BatchWindowSeconds", "0")
        .setting("LOG_LEVEL", "trace")
        .setting("RETRY_ATTEMPTS_MAX", "1")
        .start();
    let (client, nobody) = (Client::of(&stack), Client::without_key(&stack));
    let request = json!({ "name": "loud", "senders": ["tests"], "scopes": ["send", "read"] });
    let made = client.post_text("/v1/api-keys", request.to_string()).await.json;
    let (key, of_requests) = (secret(&made, "key"), secret(&made, "signingSecret"));
    let request = json!({ "senderId": "tests" }).to_string();
    let of_deliveries = client.post_text("/v1/signing-secrets", request).await.json;
    let of_deliveries = secret(&of_deliveries, "signingSecret");
    let shown = client.get("/v1/signing-secrets/tests?include=secret").await.json.to_string();
    assert!(shown.contains(&of_deliveries), "it can be read again by whoever may");

    misplaced(&nobody, &key).await;
    // Not for this key: another sender, another scope.
    for (method, path) in [(Method::GET, "/v1/api-keys"), (Method::POST, "/v1/uploads")] {
        let request = nobody.request(method, path).header("x-api-key", &key);
        let request = request.header("content-type", "application/json").body("{}");
        assert!((400..500).contains(&nobody.answer(request).await.status), "{path}");
    }
    // Secrets where they do not belong: in a name, in a header that goes to the target, in a body.
    let mut careless = message("careless", &stack.target("/demo/status/410"));
    careless["headers"] = json!({ "X-Api-Key": key, "X-Secret": of_requests });
    careless["body"] = json!({ "secret": of_deliveries });
    let id = client.accept(&careless).await;
    assert_eq!(client.finished(&id).await["status"], "DEAD");
    let request = json!({ "name": 1, "senders": of_requests, "allowedIps": [key] });
    let answer = client.post_text("/v1/api-keys", request.to_string()).await;
    assert_eq!(answer.status, 400, "{}", answer.json["code"]);
    until("the log has the errors", SOON, async || stack.log().contains(LOGGED).then_some(()))
        .await;
    let mut stack = stack;
    assert!(stack.terminate().await.success());
}
