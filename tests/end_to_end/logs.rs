//! One message's story is found from its messageId alone, by the saved query's own filter, and its trace goes all the way.

use std::path::Path;

use relay_core::logs::field_named;
use serde_json::{Value, json};

use crate::support::{Client, Launch, SOON, Stack, message, template_with, until};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// The lines that the stack has kept, as far as they are whole.
fn kept(data_folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(data_folder.join("logs/functions.jsonl")).unwrap();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The filter of the saved query for this id: fields, of which one has to have this value.
fn filter_of_story(id: &str) -> Vec<(String, String)> {
    let template = template_with(&[]);
    let query = template.split("\n  StoryQuery:\n").nth(1).unwrap();
    let filter = query.lines().find_map(|line| line.trim().strip_prefix("| filter ")).unwrap();
    let parts = filter.split(" or ").map(|part| {
        let (field, value) = part.split_once(" = ").unwrap();
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        (field.to_owned(), value.replace("MESSAGE_ID", id))
    });
    parts.collect()
}

/// What the saved query would find.
fn story(data_folder: &Path, id: &str) -> Vec<Value> {
    let filter = filter_of_story(id);
    let is_found = |line: &Value| filter.iter().any(|(field, value)| line[field] == **value);
    let mut found: Vec<Value> = kept(data_folder).into_iter().filter(is_found).collect();
    found.sort_by_key(|line| line["timestamp"].as_str().unwrap().to_owned());
    found
}

/// The story once the message is delivered.
async fn whole_story(data_folder: &Path, id: &str) -> Vec<Value> {
    until("the line of the delivery", SOON, async || {
        let story = story(data_folder, id);
        let is_over = story.iter().any(|line| line["decision"] == "delivered");
        is_over.then_some(story)
    })
    .await
}

fn is_shown(line: &&Value) -> bool {
    line["method"] != "GET"
}

/// A stack whose lines go to a folder that is known, with retries that do not take long.
fn start(launch: Launch) -> Stack {
    let launch = launch.parameter("BatchWindowSeconds", "0").setting("RETRY_BASE_SECONDS", "0.5");
    launch.start()
}

#[tokio::test]
async fn a_message_delivered_after_a_retry_has_its_whole_story_and_its_trace_on_the_log() {
    let launch = Launch::new("logs");
    let folder = launch.data_folder();
    let stack = start(launch);
    let client = Client::of(&stack);
    let sent = message("story", &stack.target("/demo/flaky/1"));
    let request = client.request(reqwest::Method::POST, "/message").json(&sent);
    let request = request.header("traceparent", PARENT).header("tracestate", "a=1,b=2");
    let id = client.answer(request.header("x-amzn-trace-id", XRAY)).await.accepted();
    assert_eq!(client.finished(&id).await["status"], "DELIVERED");

    let message_id = sent["messageId"].as_str().unwrap();
    let story = whole_story(&folder, message_id).await;
    let told: Vec<&Value> = story.iter().filter(is_shown).collect();
    let steps: Vec<_> = told.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(steps, ["request", "attempt", "attempt"], "{story:#?}");
    let [accepted, first, second] = told[..] else { panic!("{told:#?}") };
    assert_eq!((&accepted["status"], &accepted["duplicate"]), (&json!(202), &json!(false)));
    assert_eq!((&first["attempt"], &first["decision"]), (&json!(1), &json!("retry")));
    assert_eq!((&first["outcome"], &first["status"]), (&json!("transient"), &json!(503)));
    assert!(first["next_attempt_at"].is_string(), "{first}");
    assert_eq!((&second["attempt"], &second["decision"]), (&json!(2), &json!("delivered")));
    for line in &told {
        assert_eq!((&line["id"], &line["trace_id"]), (&json!(id), &json!(TRACE_ID)), "{line}");
        assert_eq!(
            (&line["sender_id"], &line["message_id"]),
            (&sent["senderId"], &sent["messageId"])
        );
        assert_eq!(line["xray_trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert!(line["destination"].is_string() && line["duration_ms"].is_u64(), "{line}");
        assert!(line["invocation_id"].is_string() && line["cold_start"].is_boolean(), "{line}");
    }
    for attempt in [first, second] {
        assert!(attempt["since_accepted_ms"].as_u64() >= attempt["duration_ms"].as_u64());
        assert!(attempt["receipts"].is_u64(), "{attempt}");
    }
    assert!(first["queue_wait_ms"].is_u64(), "{first}");
    assert!(second["queue_wait_ms"].is_null(), "hidden until the retry, which was meant: {second}");

    // The target got the same trace, in a place of its own each time, which the log names.
    let received = client.received(&id).await;
    for (request, attempt) in received.iter().zip([first, second]) {
        let span = attempt["span_id"].as_str().unwrap();
        let parent = format!("00-{TRACE_ID}-{span}-01");
        assert_eq!(request.header("traceparent"), Some(parent.as_str()));
        assert_eq!(request.header("tracestate"), Some("a=1,b=2"));
        assert_eq!(request.header("x-amzn-trace-id"), Some(XRAY));
    }
    assert_ne!(first["span_id"], second["span_id"]);

    // The relay's own id and the correlation id find the same.
    let correlation = accepted["correlation_id"].as_str().unwrap();
    for name in [&id, correlation] {
        let again = whole_story(&folder, name).await;
        assert_eq!(again.iter().filter(is_shown).count(), 3, "{name}");
    }
}

#[tokio::test]
async fn headers_that_a_message_brings_for_its_target_win_over_the_trace() {
    let stack = crate::support::shared();
    let client = Client::of(stack);
    let mut sent = message("own-trace", &stack.target("/demo/ok"));
    let own = "00-11111111111111111111111111111111-2222222222222222-00";
    sent["headers"] = json!({ "traceparent": own, "X-Amzn-Trace-Id": "Root=mine" });
    let request = client.request(reqwest::Method::POST, "/message").json(&sent);
    let request = request.header("traceparent", PARENT).header("tracestate", "a=1");
    let id = client.answer(request).await.accepted();
    client.finished(&id).await;
    let received = client.received(&id).await;
    assert_eq!(received[0].header("traceparent"), Some(own));
    assert_eq!(received[0].header("tracestate"), None, "it belongs to the other trace");
    assert_eq!(received[0].header("x-amzn-trace-id"), Some("Root=mine"));
}

#[tokio::test]
async fn what_goes_well_is_left_out_if_asked_and_trouble_never_is() {
    let launch = Launch::new("quiet").setting("LOG_SUCCESS_PERCENT", "0");
    let folder = launch.data_folder();
    let stack = start(launch);
    let client = Client::of(&stack);
    let well = client.accept(&message("well", &stack.target("/demo/ok"))).await;
    assert_eq!(client.finished(&well).await["status"], "DELIVERED");
    let badly = message("badly", &stack.target("/demo/flaky/1"));
    let id = client.accept(&badly).await;
    assert_eq!(client.finished(&id).await["status"], "DELIVERED");
    let refused = client.post_text("/message", "{}".to_owned()).await;
    assert_eq!(refused.status, 400);

    let told = whole_story(&folder, &id).await;
    let attempts: Vec<_> = told.iter().filter(|line| line["message"] == "attempt").collect();
    assert_eq!(attempts.len(), 2, "{told:#?}");
    let of_well = story(&folder, &well);
    assert_eq!(of_well.iter().filter(is_shown).count(), 0, "{of_well:#?}");
    until("the refused request", SOON, async || {
        kept(&folder).iter().any(|line| line["code"] == "VALIDATION_ERROR").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_loudest_log_has_no_field_that_is_not_in_the_table() {
    let launch = Launch::new("fields").setting("LOG_LEVEL", "trace");
    let folder = launch.data_folder();
    let stack = start(launch);
    let client = Client::of(&stack);
    let id = client.accept(&message("loud", &stack.target("/demo/status/410"))).await;
    assert_eq!(client.finished(&id).await["status"], "DEAD");
    let redrive = client.post_text(&format!("/v1/messages/{id}/redrive"), String::new()).await;
    assert_eq!(redrive.status, 202, "{redrive:?}");
    let lines = until("the line of a dead message", SOON, async || {
        let lines = kept(&folder);
        lines.iter().any(|line| line["message"] == "message is dead").then_some(lines)
    })
    .await;
    for line in &lines {
        for name in line.as_object().unwrap().keys() {
            assert!(field_named(name).is_some(), "{name} is not in the table: {line}");
        }
        assert!(line["version"].is_string() && line["function"].is_string(), "{line}");
    }
}
