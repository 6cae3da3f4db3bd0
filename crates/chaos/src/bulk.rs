//! A client that sends many messages in one request, and again those of them that were not answered.

use std::time::Duration;

use relay_testkit::Chance;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, Posted, TRIES_MAX, WAIT_FIRST, WAIT_MAX, is_definite};
use crate::mix::Message;

/// Most text of one request, in bytes: what the relay's front door takes whatever is in it.
const REQUEST_BYTES_MAX: usize = 2_900_000;

/// Requests of at most so many messages each, none of which is too large.
#[must_use]
pub fn packed(messages: impl Iterator<Item = Message>, size: usize) -> Vec<Vec<Message>> {
    let mut requests: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let more = message.request.len() + 1;
        match requests.last_mut() {
            Some(last) if last.len() < size && bytes + more < REQUEST_BYTES_MAX => {
                bytes += more;
                last.push(message);
            }
            Some(_) | None => {
                bytes = more;
                requests.push(vec![message]);
            }
        }
    }
    requests
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    status: u16,
}

impl Client {
    /// Sends messages together until there is a definite answer for each. Says also how many requests that took.
    pub async fn post_all(&self, messages: &[Message], chance: &mut Chance) -> (Vec<Posted>, u32) {
        let texts: Vec<&str> = messages.iter().map(|message| message.request.as_str()).collect();
        let request = |open: &[usize]| {
            let open: Vec<&str> = open.iter().map(|index| texts[*index]).collect();
            format!("{{\"messages\":[{}]}}", open.join(","))
        };
        self.insist_together("/v1/messages/bulk", texts.len(), request, chance).await
    }

    /// Sets dead messages going again together, asking until there is a definite answer for each.
    pub async fn redrive_all(&self, ids: &[&str], chance: &mut Chance) -> (Vec<Posted>, u32) {
        let request = |open: &[usize]| {
            let open: Vec<&str> = open.iter().map(|index| ids[*index]).collect();
            json!({ "ids": open }).to_string()
        };
        self.insist_together("/v1/messages/bulk/redrive", ids.len(), request, chance).await
    }

    async fn insist_together(
        &self,
        path: &str,
        count: usize,
        request: impl Fn(&[usize]) -> String,
        chance: &mut Chance,
    ) -> (Vec<Posted>, u32) {
        let mut told = vec![Posted::Unknown; count];
        let mut open: Vec<usize> = (0..count).collect();
        let mut wait = WAIT_FIRST;
        for sent in 1..=TRIES_MAX {
            let statuses = self.ask_together(path, &request(&open), open.len()).await;
            for (index, status) in open.iter().zip(&statuses) {
                told[*index] = posted(*status);
            }
            open.retain(|index| told[*index] == Posted::Unknown);
            if open.is_empty() {
                return (told, sent);
            }
            let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let jitter = Duration::from_millis(chance.below(milliseconds / 2));
            tokio::time::sleep(wait - jitter).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        (told, TRIES_MAX)
    }

    /// What each part of one request came to, in order; nothing if nobody knows.
    async fn ask_together(&self, path: &str, text: &str, count: usize) -> Vec<StatusCode> {
        let Ok((status, bytes)) = self.ask(path, text).await else { return Vec::new() };
        if status != StatusCode::MULTI_STATUS {
            // The request as a whole was refused.
            return if is_definite(status) { vec![status; count] } else { Vec::new() };
        }
        let Ok(Answer { results }) = serde_json::from_slice(&bytes) else { return Vec::new() };
        // An answer of another length is one to another request.
        let is_whole = results.len() == count;
        let statuses = results.iter().map(|one| StatusCode::from_u16(one.status));
        statuses.collect::<Result<_, _>>().ok().filter(|_| is_whole).unwrap_or_default()
    }
}

fn posted(status: StatusCode) -> Posted {
    match status {
        StatusCode::OK | StatusCode::ACCEPTED => Posted::Accepted,
        status if is_definite(status) => Posted::Refused(status.as_u16()),
        _ => Posted::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::mix::{Kind, plain};

    #[test]
    fn requests_hold_so_many_messages_and_so_much_text() {
        let message = |number: usize, bytes: usize| {
            let mut message = plain(&format!("m-{number}"), Kind::Ok, "http://127.0.0.1/").unwrap();
            message.request = "x".repeat(bytes);
            message
        };
        let sizes = |messages: Vec<Message>| -> Vec<usize> {
            packed(messages.into_iter(), 4).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes((0..9).map(|number| message(number, 10)).collect()), [4, 4, 1]);
        let third = REQUEST_BYTES_MAX / 3;
        assert_eq!(sizes((0..5).map(|number| message(number, third)).collect()), [2, 2, 1]);
        assert!(sizes(Vec::new()).is_empty());
    }

    #[test]
    fn only_a_definite_answer_ends_the_sending() {
        let told = |status: u16| posted(StatusCode::from_u16(status).unwrap());
        assert_eq!((told(200), told(202)), (Posted::Accepted, Posted::Accepted));
        assert_eq!((told(422), told(409)), (Posted::Refused(422), Posted::Refused(409)));
        assert_eq!((told(503), told(429)), (Posted::Unknown, Posted::Unknown));
    }
}
