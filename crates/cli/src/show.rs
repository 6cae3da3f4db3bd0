//! `relay show`: where a message is, and every attempt.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::Failure;
use crate::api::ApiArguments;
use crate::filter::relay_id;
use crate::terminal::{indented, line, printable};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: ApiArguments,
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
    let message = arguments.api.api()?.get(&format!("/v1/messages/{id}{include}")).await?;
    if arguments.json {
        line(&indented(&message));
    } else {
        line(told(&message).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The message in a few lines: its state first, then what led there.
pub(crate) fn told(message: &Value) -> String {
    let text = |field: &str| match &message[field] {
        Value::String(text) => printable(text),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut lines = format!("{}  {}", text("id"), text("status"));
    for (label, field) in [
        ("reason", "reason"),
        ("in the dead-letter queue", "buried"),
        ("next attempt not before", "notBefore"),
        ("held until", "leaseUntil"),
    ] {
        if !text(field).is_empty() {
            lines.push_str(&format!("  ({label}: {})", text(field)));
        }
    }
    lines.push_str(&format!(
        "\n{} {}\nsender {}, message {}, accepted {}, kept until {}\n",
        text("method"),
        text("targetUrl"),
        text("senderId"),
        text("messageId"),
        text("createdAt"),
        text("expiresAt"),
    ));
    let mut generation = &Value::Null;
    for outcome in message["outcomes"].as_array().into_iter().flatten() {
        let result =
            if outcome["status"].is_null() { &outcome["error"] } else { &outcome["status"] };
        // Of a message that was never set going again there is nothing to tell apart.
        if message["generation"] != 0 && *generation != outcome["generation"] {
            generation = &outcome["generation"];
            lines.push_str(&format!("generation {generation}\n"));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_in_a_few_lines() {
        let message = serde_json::json!({
            "id": "msg_a", "status": "DEAD", "reason": "attempts_exhausted", "method": "POST",
            "targetUrl": "https://a.example/", "senderId": "s", "messageId": "m",
            "createdAt": "2026-11-21T05:00:00.000Z", "expiresAt": "2026-12-21T05:00:00.000Z",
            "generation": 0, "buried": true,
            "outcomes": [
                {"attempt": 1, "at": "t1", "status": 503, "durationMs": 4, "answer": "\"no\"\u{1b}[2J"},
                {"attempt": 2, "at": "t2", "error": "timeout", "durationMs": 10_000},
            ],
        });
        expect_test::expect![[r#"
            msg_a  DEAD  (reason: attempts_exhausted)  (in the dead-letter queue: true)
            POST https://a.example/
            sender s, message m, accepted 2026-11-21T05:00:00.000Z, kept until 2026-12-21T05:00:00.000Z
            attempt 1  t1  503  4 ms  "no"\u{1b}[2J
            attempt 2  t2  timeout  10000 ms  
        "#]]
        .assert_eq(&told(&message));
    }

    #[test]
    fn a_body_is_told_without_what_a_terminal_acts_on() {
        let message = serde_json::json!({"id": "msg_a", "body": "a\u{1b}[2J\nb\u{202e}"});
        assert!(told(&message).ends_with("\nbody: a\\u{1b}[2J\\nb\\u{202e}\n"));
    }

    #[test]
    fn attempts_stand_under_their_generation() {
        let outcome = |generation: u32, attempt: u32| {
            serde_json::json!({
                "generation": generation, "attempt": attempt, "at": "t", "status": 200, "durationMs": 1,
            })
        };
        let message = serde_json::json!({
            "id": "msg_a", "status": "DELIVERED", "method": "POST", "targetUrl": "https://a.example/",
            "senderId": "s", "messageId": "m", "createdAt": "t0", "expiresAt": "t9",
            "generation": 2, "outcomes": [outcome(0, 1), outcome(0, 2), outcome(2, 1)],
        });
        expect_test::expect![[r#"
            msg_a  DELIVERED
            POST https://a.example/
            sender s, message m, accepted t0, kept until t9
            generation 0
            attempt 1  t  200  1 ms  
            attempt 2  t  200  1 ms  
            generation 2
            attempt 1  t  200  1 ms  
        "#]]
        .assert_eq(&told(&message));
    }
}
