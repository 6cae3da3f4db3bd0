//! Clients that post several messages in one request. What was not answered they repeat, on its own or with all the
//! rest, as good clients do; each message of a request is accounted for like one that was posted alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http::{Request, StatusCode};
use relay_core::body::Sha256;
use relay_core::identity::RelayId;
use relay_core::invariants::{Answer, Invariant, Observed, Violation};
use serde_json::Value;

use crate::clients::{CLIENTS, Routers, SENDER, ask, body_of, id_of, is_reuse, text_of};
use crate::hosts::Services;
use crate::plan::{Bulk, Content, Entry};

/// How many awaits a request that dies reaches at most.
const AWAITS_MAX: u64 = 60;

/// A client that posts one bulk.
pub(crate) struct BulkClient {
    pub(crate) services: Arc<Services>,
    pub(crate) routers: Routers,
    pub(crate) posts: Arc<AtomicU64>,
}

/// What one message of a request came to, and what the relay says of it.
type Judged = Result<Answer, String>;

impl BulkClient {
    /// Posts until all of it is answered, or patience ends.
    pub(crate) async fn begin(self, bulk: Bulk) {
        tokio::time::sleep(bulk.begins).await;
        let mut open = bulk.entries.clone();
        for _ in 0..=bulk.repeats {
            let sent = if bulk.repeats_all { bulk.entries.clone() } else { open };
            let answers = self.post(&sent).await;
            let left = sent.iter().zip(answers).filter(|(_, answer)| *answer == Answer::Unknown);
            open = left.map(|(entry, _)| *entry).collect();
            if open.is_empty() {
                return;
            }
            tokio::time::sleep(self.services.dice.millis(1000, 20_000)).await;
        }
    }

    /// One request: what each of its messages came to.
    async fn post(&self, entries: &[Entry]) -> Vec<Answer> {
        let watch = &self.services.watch;
        let posts: Vec<Option<(u64, RelayId)>> =
            entries.iter().map(|entry| self.posted(entry)).collect();
        let texts: Vec<String> = entries.iter().map(|entry| self.text(entry)).collect();
        let text = format!(r#"{{"messages":[{}]}}"#, texts.join(","));
        let request = Request::post("/v1/messages/bulk").header("content-type", "application/json");
        let request = request.body(Body::from(text)).unwrap();
        let told = ask(&self.services, &self.routers, request, AWAITS_MAX).await;
        let answers = match told {
            None | Some((StatusCode::SERVICE_UNAVAILABLE, _)) => {
                vec![Answer::Unknown; entries.len()]
            }
            Some((StatusCode::MULTI_STATUS, json)) => self.judge(entries, &json),
            Some((status, json)) => {
                self.blame(&id_of(0), format!("a bulk is answered {status} {json}"));
                vec![Answer::Unknown; entries.len()]
            }
        };
        for (posted, answer) in posts.into_iter().zip(&answers) {
            if let Some((post, id)) = posted {
                watch.observe(CLIENTS, &Observed::Answered { post, id, answer: *answer });
            }
        }
        answers
    }

    fn posted(&self, entry: &Entry) -> Option<(u64, RelayId)> {
        let Entry::Message(number, content) = entry else { return None };
        let post = self.posts.fetch_add(1, Ordering::SeqCst);
        let (id, body) = (id_of(*number), Sha256::of(self.body(*number, *content).as_bytes()));
        self.services.watch.observe(CLIENTS, &Observed::Posted { post, id: id.clone(), body });
        Some((post, id))
    }

    fn body(&self, number: usize, content: Content) -> String {
        body_of(&self.services.plan.messages[number], content)
    }

    fn text(&self, entry: &Entry) -> String {
        match entry {
            Entry::Message(number, content) => {
                text_of(&self.services.plan, *number, &self.body(*number, *content))
            }
            Entry::Wrong => format!(
                r#"{{"messageId":"wrong","senderId":"{SENDER}","targetUrl":"ftp://t0.example.com/","body":{{}}}}"#
            ),
        }
    }

    fn blame(&self, id: &RelayId, detail: String) {
        let (invariant, id) = (Invariant::AnswersAddUp, id.clone());
        self.services.watch.blame(Violation { invariant, id, detail });
    }

    /// Holds the answer against the request, message by message and as a whole.
    fn judge(&self, entries: &[Entry], json: &Value) -> Vec<Answer> {
        let results = json["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        if results.len() != entries.len() {
            self.blame(&id_of(0), format!("{} entries are answered {json}", entries.len()));
            return vec![Answer::Unknown; entries.len()];
        }
        let counted = |wanted: fn(u64) -> bool| {
            let statuses = results.iter().filter_map(|result| result["status"].as_u64());
            statuses.filter(|status| wanted(*status)).count() as u64
        };
        let sums = [
            ("accepted", counted(|status| status == 202)),
            ("duplicates", counted(|status| status == 200)),
            ("refused", counted(|status| (400..500).contains(&status))),
            ("failed", counted(|status| status >= 500)),
        ];
        for (name, sum) in sums {
            if json[name].as_u64() != Some(sum) {
                self.blame(&id_of(0), format!("{name} is not {sum} in {json}"));
            }
        }
        let mut firsts: BTreeMap<usize, (Content, u64)> = BTreeMap::new();
        let mut answers = Vec::new();
        for (index, (entry, result)) in entries.iter().zip(results).enumerate() {
            let judged = self.judge_entry(index, entry, result).and_then(|answer| {
                if let Entry::Message(number, content) = entry {
                    let status = result["status"].as_u64().unwrap_or_default();
                    let first = *firsts.entry(*number).or_insert((*content, status));
                    is_first_or_follows(first, *content, status, index, entries, *number)?;
                }
                Ok(answer)
            });
            answers.push(judged.unwrap_or_else(|detail| {
                let id =
                    if let Entry::Message(number, _) = entry { id_of(*number) } else { id_of(0) };
                self.blame(&id, format!("{detail} in {json}"));
                Answer::Unknown
            }));
        }
        answers
    }

    fn judge_entry(&self, index: usize, entry: &Entry, result: &Value) -> Judged {
        let status = result["status"].as_u64().unwrap_or_default();
        let problem = &result["problem"];
        let Entry::Message(number, content) = entry else {
            let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
            let is_named = pointer == format!("/messages/{index}/targetUrl");
            return if status == 400 && is_named {
                Ok(Answer::Refused)
            } else {
                Err(format!("the wrong entry {index} is answered {status}"))
            };
        };
        let is_named = result["id"].as_str() == Some(id_of(*number).as_str());
        match status {
            202 | 200 if is_named && result["duplicate"] == (status == 200) => Ok(Answer::Accepted),
            503 if problem["code"] == "SYSTEM_ERROR" => Ok(Answer::Unknown),
            422 if is_reuse(&self.services.plan, *number, *content, problem) => Ok(Answer::Refused),
            _ => Err(format!("entry {index} is answered {status}")),
        }
    }
}

/// Whether an entry is the first of its id in the request, or its answer follows from that of the first: the same again
/// is answered as it was, and anything else under an id that it got is refused.
fn is_first_or_follows(
    (first_content, first_status): (Content, u64),
    content: Content,
    status: u64,
    index: usize,
    entries: &[Entry],
    number: usize,
) -> Result<(), String> {
    let is_of = |entry: &Entry| matches!(entry, Entry::Message(theirs, _) if *theirs == number);
    if !entries[..index].iter().any(is_of) {
        return Ok(());
    }
    let follows = match (first_content == content, first_status) {
        (true, 200 | 202) => status == 200,
        (true, first) => status == first,
        (false, 200 | 202) => status == 422,
        // The first has not got the id, or nobody knows: this one is judged by what the relay has.
        (false, _) => true,
    };
    if follows {
        return Ok(());
    }
    Err(format!("entry {index} is answered {status} after the first of its id was {first_status}"))
}
