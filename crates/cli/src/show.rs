//! `relay show`: where a message is, and every attempt.

use std::process::ExitCode;

use clap::Args;
use relay_core::identity::{MessageId, RelayId, SenderId};
use serde_json::Value;

use crate::Failure;
use crate::api::Api;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: Api,
    /// The relay's id (msg_…), or the sender's own id together with --sender-id.
    id: String,
    /// Whose message it is, if the id is the sender's own.
    #[arg(long)]
    sender_id: Option<String>,
    /// Show the body too.
    #[arg(long)]
    body: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let id = relay_id(&arguments.id, arguments.sender_id.as_deref())?;
    let include = if arguments.body { "?include=body" } else { "" };
    let message = arguments.api.get(&format!("/v1/messages/{id}{include}")).await?;
    if arguments.json {
        println!("{message:#}");
    } else {
        print!("{}", told(&message));
    }
    Ok(ExitCode::SUCCESS)
}

fn relay_id(id: &str, sender_id: Option<&str>) -> Result<RelayId, Failure> {
    let usage = |error: relay_core::identity::MalformedName| Failure::Usage(error.to_string());
    match sender_id {
        None => RelayId::parse(id).map_err(usage),
        Some(sender) => Ok(RelayId::of(
            &SenderId::parse(sender).map_err(usage)?,
            &MessageId::parse(id).map_err(usage)?,
        )),
    }
}

/// The message in a few lines: its state first, then what led there.
fn told(message: &Value) -> String {
    let text = |field: &str| match &message[field] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut lines = format!("{}  {}", text("id"), text("status"));
    for (label, field) in [("reason", "reason"), ("next attempt not before", "notBefore")] {
        if !text(field).is_empty() {
            lines.push_str(&format!("  ({label}: {})", text(field)));
        }
    }
    lines.push_str(&format!(
        "\n{} {}\nsender {}, message {}, accepted {}\n",
        text("method"),
        text("targetUrl"),
        text("senderId"),
        text("messageId"),
        text("createdAt"),
    ));
    for outcome in message["outcomes"].as_array().into_iter().flatten() {
        let result =
            if outcome["status"].is_null() { &outcome["error"] } else { &outcome["status"] };
        lines.push_str(&format!(
            "attempt {}  {}  {}  {} ms  {}\n",
            outcome["attempt"],
            outcome["at"].as_str().unwrap_or_default(),
            result.as_str().map_or_else(|| result.to_string(), str::to_owned),
            outcome["durationMs"],
            printable(outcome["answer"].as_str().unwrap_or_default()),
        ));
    }
    for field in ["body", "bodyUrl"] {
        if !text(field).is_empty() {
            lines.push_str(&format!("{field}: {}\n", text(field)));
        }
    }
    lines
}

/// The text without what a terminal would act on: a target chose it.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_message_is_told_in_a_few_lines() {
        let message = serde_json::json!({
            "id": "msg_a", "status": "DEAD", "reason": "attempts_exhausted", "method": "POST",
            "targetUrl": "https://a.example/", "senderId": "s", "messageId": "m",
            "createdAt": "2026-11-21T05:00:00.000Z",
            "outcomes": [
                {"attempt": 1, "at": "t1", "status": 503, "durationMs": 4, "answer": "\"no\"\u{1b}[2J"},
                {"attempt": 2, "at": "t2", "error": "timeout", "durationMs": 10_000},
            ],
        });
        expect_test::expect![[r#"
            msg_a  DEAD  (reason: attempts_exhausted)
            POST https://a.example/
            sender s, message m, accepted 2026-11-21T05:00:00.000Z
            attempt 1  t1  503  4 ms  "no"\u{1b}[2J
            attempt 2  t2  timeout  10000 ms  
        "#]]
        .assert_eq(&told(&message));
    }

    #[test]
    fn an_id_is_the_relays_or_the_senders() {
        let own = relay_id("order-1042", Some("billing")).unwrap();
        assert_eq!(relay_id(own.as_str(), None).unwrap(), own);
        assert!(relay_id("order-1042", None).is_err());
    }
}
