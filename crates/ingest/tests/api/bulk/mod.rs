//! Many messages in one request: each is answered by itself, whatever becomes of the others.

mod accepting;
mod ids;
mod interrupted;
mod limits;
mod log;
mod random;

use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::relay::{Answer, Relay, message_with};

pub(crate) const PATH: &str = "/v1/messages/bulk";

/// Posts messages.
pub(crate) async fn post(relay: &Relay, messages: &[Value]) -> Answer {
    relay.post_text(PATH, json!({"messages": messages}).to_string()).await
}

/// Asks for something to be done to the messages of these ids.
async fn ask(relay: &Relay, method: &str, path: &str, ids: &[&str]) -> Answer {
    let request =
        Request::builder().method(method).uri(path).header("content-type", "application/json");
    relay.send(request.body(json!({"ids": ids}).to_string().into()).unwrap()).await
}

/// Good messages, each with an id of its own.
pub(crate) fn messages(count: usize) -> Vec<Value> {
    (0..count).map(|number| message_with(json!({"messageId": format!("m-{number}")}))).collect()
}

/// What each message came to: its status, and the code of its problem or where it is in its life.
fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::MULTI_STATUS, "{:?}", answer.json);
    let results = answer.json["results"].as_array().unwrap().iter();
    let told: Vec<String> = results
        .map(|result| {
            let words = [&result["problem"]["code"], &result["messageStatus"]];
            let word = words.into_iter().find_map(Value::as_str).unwrap();
            let duplicate = if result["duplicate"] == true { " duplicate" } else { "" };
            format!("{} {word}{duplicate}", result["status"])
        })
        .collect();
    let total = ["accepted", "duplicates", "refused", "failed"]
        .map(|count| answer.json[count].as_u64().unwrap());
    assert_eq!(total.iter().sum::<u64>(), told.len() as u64, "{:?}", answer.json);
    told
}

/// How often each of these was told.
fn counts(answer: &Answer) -> [u64; 4] {
    ["accepted", "duplicates", "refused", "failed"]
        .map(|count| answer.json[count].as_u64().unwrap())
}
