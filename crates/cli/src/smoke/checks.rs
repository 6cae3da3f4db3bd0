//! What a smoke test asks of a relay, step by step. Each step says itself what it found.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::asking::{Relay, document, on_one_line};
use super::steps::{Outcome, Wrong};
use crate::api::{Answer, Api, json_body};
use crate::patience::{TOO_MANY_REQUESTS, UNAVAILABLE};

/// How often a message is looked at. Each look reads the table once.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const OK: u16 = 200;
const ACCEPTED: u16 = 202;
const BAD_REQUEST: u16 = 400;
const UNAUTHENTICATED: u16 = 401;

/// Where the messages of a test go.
pub(crate) struct Target {
    url: String,
    method: Method,
    /// Whether a message without need of a body is given one all the same.
    pub(crate) takes_body: bool,
}

impl Target {
    /// One that somebody named.
    pub(crate) fn given(url: &str) -> Self {
        Self { url: url.to_owned(), method: Method::POST, takes_body: true }
    }

    /// The relay itself, by the one route that anybody may call.
    pub(crate) fn own_health(api: &Api) -> Self {
        Self { url: api.url("/health"), method: Method::GET, takes_body: false }
    }
}

impl Relay {
    /// The text of a message of this test. The body is JSON.
    pub(crate) fn message(&self, name: &str, target: &Target, body: Option<&str>) -> String {
        let message = json!({
            "messageId": format!("{}-{name}", self.run),
            "senderId": self.sender_id,
            "targetUrl": target.url,
            "method": target.method.as_str(),
        });
        let text = message.to_string();
        match (body, text.strip_suffix('}')) {
            (Some(body), Some(open)) => format!("{open},\"body\":{body}}}"),
            (_, _) => text,
        }
    }

    /// The process runs, and says which version: the expected one, if there is one. Another is what an alias leads
    /// to that has not moved.
    pub(crate) async fn is_up(&self, expected: Option<&str>) -> Outcome<()> {
        let request = self.api.call_without_key(Method::GET, "/health");
        let answer = self.expect("200 from GET /health", OK, request).await?;
        let version = answer["version"].as_str().unwrap_or("unknown");
        match expected {
            Some(expected) if expected != version => Err(Wrong::Untrue(format!(
                "version {version} answers, and {expected} was expected: the alias may not have moved"
            ))),
            Some(_) | None => Ok(((), format!("version {version}"))),
        }
    }

    /// Its services answer, and it takes the key.
    pub(crate) async fn is_ready(&self) -> Outcome<()> {
        let request = self.api.call(Method::GET, "/health/ready");
        self.expect("200 from GET /health/ready", OK, request).await?;
        Ok(((), String::new()))
    }

    /// Who brings no key is not let in. Asked with a message that is none, so that a relay which is open accepts
    /// nothing; and an open one is only in order for somebody who has no key to bring.
    pub(crate) async fn refuses_strangers(&self) -> Outcome<()> {
        let request = self.api.call_without_key(Method::POST, "/v1/messages");
        let Answer { status, text, .. } = self.ask(json_body(request, "{}".to_owned())).await?;
        match status {
            UNAUTHENTICATED => Ok(((), "401".to_owned())),
            BAD_REQUEST if !self.api.has_key() => {
                Err(Wrong::Skipped("authentication is off, and no key was given"))
            }
            BAD_REQUEST => Err(Wrong::Untrue(
                "everybody may send: AUTHENTICATION is off, and a key was given".to_owned(),
            )),
            _ => Err(Wrong::Answered {
                expected: "401 without a key",
                status,
                answer: on_one_line(&text),
            }),
        }
    }

    /// Nothing is accepted that is no message, and every wrong field is named.
    pub(crate) async fn refuses_nonsense(&self) -> Outcome<()> {
        let nonsense = json!({
            "senderId": self.sender_id, "messageId": "", "targetUrl": "ftp://smoke.invalid/",
        });
        let request = self.api.call(Method::POST, "/v1/messages");
        let request = json_body(request, nonsense.to_string());
        let answer = self.expect("400 for a wrong message", BAD_REQUEST, request).await?;
        let errors = answer["errors"].as_array().into_iter().flatten();
        let named: Vec<_> = errors.filter_map(|error| error["pointer"].as_str()).collect();
        let is_right = answer["code"] == "VALIDATION_ERROR"
            && ["/messageId", "/targetUrl"].iter().all(|field| named.contains(field));
        if is_right {
            Ok(((), format!("400, names {}", named.join(" and "))))
        } else {
            let answer = on_one_line(&answer.to_string());
            Err(Wrong::Untrue(format!(
                "the answer does not name /messageId and /targetUrl: {answer}"
            )))
        }
    }

    /// The message is taken; the relay's id of it. If the answer to an earlier try was lost, it was taken then, and
    /// this one's is that of a duplicate.
    pub(crate) async fn accepts(&self, message: &str) -> Outcome<String> {
        let answer = self.post(message).await?;
        let was_lost = answer.status == OK && self.took_several_tries();
        let wanted = if was_lost { OK } else { ACCEPTED };
        let answer = document("202 for a new message", wanted, &answer)?;
        match answer["id"].as_str() {
            Some(id) => Ok((id.to_owned(), id.to_owned())),
            None => Err(Wrong::Untrue("the answer has no id".to_owned())),
        }
    }

    /// The message reaches its target.
    pub(crate) async fn delivers(&self, id: &str) -> Outcome<()> {
        let message = self.ended(id).await?;
        if message["status"] == "DELIVERED" {
            Ok(((), format!("attempt {}", message["attempts"])))
        } else {
            Err(Wrong::Untrue(how_it_stands(&message)))
        }
    }

    /// The same request again is known to be the same, and answered with the same id.
    pub(crate) async fn knows(&self, message: &str, id: &str) -> Outcome<()> {
        let answer = self.post(message).await?;
        let answer = document("200 for the same message again", OK, &answer)?;
        if answer["duplicate"] == true && answer["id"] == id {
            Ok(((), "200".to_owned()))
        } else {
            Err(Wrong::Untrue(format!("the answer is about another message: {answer}")))
        }
    }

    /// The message is taken and reaches its target, with a body of so many bytes.
    pub(crate) async fn delivers_whole(&self, message: &str, body_bytes: usize) -> Outcome<()> {
        let (id, _) = self.accepts(message).await?;
        let ended = self.ended(&id).await?;
        if ended["status"] != "DELIVERED" {
            return Err(Wrong::Untrue(format!("{id}: {}", how_it_stands(&ended))));
        }
        if ended["bodyBytes"] != body_bytes {
            let kept = &ended["bodyBytes"];
            return Err(Wrong::Untrue(format!("{id} has {kept} bytes in place of {body_bytes}")));
        }
        Ok(((), format!("{id}, attempt {}", ended["attempts"])))
    }

    /// The message is taken, and given up with a reason.
    pub(crate) async fn gives_up(&self, message: &str) -> Outcome<()> {
        let (id, _) = self.accepts(message).await?;
        let ended = self.ended(&id).await?;
        let told = format!("{id}: {}", how_it_stands(&ended));
        if ended["status"] == "DEAD" && ended["reason"].is_string() {
            Ok(((), told))
        } else {
            Err(Wrong::Untrue(told))
        }
    }

    /// The message as it stands once nothing more comes of it. A relay that is busy for a moment is asked again.
    async fn ended(&self, id: &str) -> Result<Value, Wrong> {
        let mut last = String::new();
        loop {
            if Instant::now() + LOOK_EVERY > self.deadline {
                return Err(Wrong::OutOfTime(last));
            }
            let request = self.api.call(Method::GET, &format!("/v1/messages/{id}"));
            let Answer { status, text, .. } = self.ask(request).await?;
            if status == OK {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                if matches!(message["status"].as_str(), Some("DELIVERED" | "DEAD" | "CANCELLED")) {
                    return Ok(message);
                }
                last = format!("; {id} is {}", how_it_stands(&message));
            } else if matches!(status, TOO_MANY_REQUESTS | UNAVAILABLE) {
                last = format!("; {id} could not be looked at: {status}");
            } else {
                let answer = on_one_line(&text);
                return Err(Wrong::Answered { expected: "200 for a message", status, answer });
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The state, why, and what the last attempt came to.
fn how_it_stands(message: &Value) -> String {
    let mut told = message["status"].as_str().unwrap_or("in no state").to_owned();
    if let Some(reason) = message["reason"].as_str() {
        told.push_str(&format!(" ({reason})"));
    }
    if let Some(last) = message["outcomes"].as_array().and_then(|all| all.last()) {
        let result = if last["status"].is_null() { &last["error"] } else { &last["status"] };
        told.push_str(&format!(", attempt {} came to {result}", last["attempt"]));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_message_stands_is_told_with_what_the_last_attempt_came_to() {
        for (message, expected) in [
            (json!({"status": "QUEUED", "outcomes": []}), "QUEUED"),
            (
                json!({"status": "DEAD", "reason": "gone", "outcomes": [
                    {"attempt": 1, "error": "timeout"}, {"attempt": 2, "status": 410},
                ]}),
                "DEAD (gone), attempt 2 came to 410",
            ),
            (
                json!({"status": "RETRYING", "outcomes": [{"attempt": 1, "error": "timeout"}]}),
                "RETRYING, attempt 1 came to \"timeout\"",
            ),
        ] {
            assert_eq!(how_it_stands(&message), expected);
        }
    }
}
