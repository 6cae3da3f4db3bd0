//! `relay cancel`: messages that are not to be sent any more. Whether one can still be stopped depends on a setting of the
//! relay, so it is asked of the API and not of the table.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use relay_core::identity::RelayId;
use relay_core::ports::PortError;
use relay_operate::Stop;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Failure;
use crate::api::{Api, ApiArguments, json_body};
use crate::filter::relay_ids;
use crate::interrupt::until_interrupted;
use crate::patience::{wait_after, wait_asked_by};
use crate::send::{STANDARD_INPUT, read};
use crate::work::{Done, End, Telling, Work};

/// Most messages that one request may name.
const PER_REQUEST_MAX: u16 = 100;
/// Tries of one request. What has to be stopped is worth more of them than what can wait.
const TRIES_MAX: u32 = 5;
/// Longest wait between two of them: a bucket of tokens that takes longer to fill is too small for the request.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: ApiArguments,
    /// The relay's ids (msg_…), or the sender's own together with --sender-id; - reads them from standard input, one a
    /// line.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Whose messages they are, if the ids are the sender's own.
    #[arg(long)]
    sender_id: Option<String>,
    /// How many go into one request. Fewer for a key whose rate limit lets fewer pass at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PER_REQUEST_MAX,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(PER_REQUEST_MAX)))]
    per_request: u16,
    /// Print one JSON object for each message and one for the totals.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { api, ids, sender_id, per_request, json } = arguments;
    let (api, stop) = (api.api()?, Stop::default());
    let ids = relay_ids(&named(ids)?, sender_id.as_deref())?;
    let telling = if json { Telling::Json } else { Telling::Each };
    let work = Work::new("cancelled", telling, false);
    let mut cancelling = Cancelling { api, stop: stop.clone(), work };
    let all = cancelling.all(&ids, usize::from(per_request));
    let end = until_interrupted(&stop, all).await?;
    Ok(cancelling.work.end(&end.unwrap_or(End::Interrupted)))
}

/// The ids as they were given, with those of standard input in the place of its sign.
fn named(ids: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut named = Vec::with_capacity(ids.len());
    for id in ids {
        if id == STANDARD_INPUT {
            let text = String::from_utf8(read(Path::new(STANDARD_INPUT))?)
                .map_err(|_| Failure::Usage("standard input is not UTF-8".to_owned()))?;
            named.extend(lines(&text));
        } else {
            named.push(id);
        }
    }
    if named.is_empty() {
        return Err(Failure::Usage("standard input names no message".to_owned()));
    }
    Ok(named)
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

/// What the work needs.
struct Cancelling {
    api: Api,
    stop: Stop,
    work: Work,
}

impl Cancelling {
    async fn all(&mut self, ids: &[RelayId], per_request: usize) -> End {
        let mut trouble = None;
        for some in ids.chunks(per_request) {
            if self.stop.was_asked() {
                return End::Interrupted;
            }
            // Nothing came of a whole request: the rest would only wait for as long.
            if let Some(error) = trouble {
                return End::Stopped(Failure::Port(error));
            }
            trouble = match self.some(some).await {
                Ok(trouble) => trouble,
                Err(end) => return end,
            };
        }
        End::Whole
    }

    /// Cancels the messages of one request and tells what became of each. Comes back with what was wrong if the relay
    /// could not do its part for any of them.
    async fn some(&mut self, ids: &[RelayId]) -> Result<Option<PortError>, End> {
        let mut failed = Vec::new();
        let end = self.tries(ids, &mut failed).await;
        let is_all = failed.len() == ids.len();
        let mut trouble = None;
        for (id, error) in failed {
            self.work.tell(id, None, &Done::Failed(error.clone()));
            trouble = Some(error);
        }
        end.map(|()| trouble.filter(|_| is_all))
    }

    /// Asks for them until all of it is done or another try is not worth it, and tells what was done. `failed` are those
    /// that the relay could not do its part for when it last said so, however this ends.
    async fn tries<'a>(
        &mut self,
        ids: &'a [RelayId],
        failed: &mut Vec<(&'a RelayId, PortError)>,
    ) -> Result<(), End> {
        let mut left: Vec<&RelayId> = ids.iter().collect();
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.api.answer(self.request(&left)).await;
            if let Some(wait) = wait_after(answer.as_ref()).filter(|_| tries < TRIES_MAX) {
                self.wait(wait).await?;
                continue;
            }
            let answer = answer.map_err(End::Stopped)?;
            let wait = wait_asked_by(&answer);
            let document = self.api.document(answer).map_err(End::Stopped)?;
            failed.clear();
            for (index, id) in left.into_iter().enumerate() {
                match done(id, &document["results"][index]) {
                    Done::Failed(error) => failed.push((id, error)),
                    done => self.work.tell(id, None, &done),
                }
            }
            if failed.is_empty() || tries == TRIES_MAX {
                return Ok(());
            }
            left = failed.iter().map(|(id, _)| *id).collect();
            self.wait(wait).await?;
        }
    }

    /// Waits for another try. A stop ends the wait, and leaves what is still to be tried.
    async fn wait(&self, wait: Duration) -> Result<(), End> {
        match timeout(wait.min(WAIT_MAX), self.stop.asked()).await {
            Ok(()) => Err(End::Interrupted),
            Err(_elapsed) => Ok(()),
        }
    }

    fn request(&self, ids: &[&RelayId]) -> RequestBuilder {
        let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        let request = self.api.call(Method::DELETE, "/v1/messages/bulk");
        json_body(request, json!({ "ids": ids }).to_string())
    }
}

/// What became of a message, by its part of the answer.
fn done(id: &RelayId, result: &Value) -> Done {
    let failed = |reason: &str| {
        Done::Failed(PortError::Unavailable { action: "cancelling", reason: reason.to_owned() })
    };
    // By its place alone it would be told of what became of another.
    if !result["id"].is_null() && result["id"] != id.as_str() {
        return failed("the answer is about another message");
    }
    let detail = result["problem"]["detail"].as_str().unwrap_or("the answer does not say more");
    match result["status"].as_u64() {
        Some(200) => Done::Cancelled,
        Some(404) => Done::Unknown,
        Some(400..=499) => Done::Denied(detail.to_owned()),
        Some(_) | None => failed(detail),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_line_is_an_id_and_an_empty_one_is_none() {
        let ids: Vec<String> = lines("order-1\r\n\n  order-2\t\n \norder-3").collect();
        assert_eq!(ids, ["order-1", "order-2", "order-3"]);
        assert_eq!(lines(" \n").count(), 0);
    }

    #[test]
    fn each_part_of_an_answer_is_one_of_four_things() {
        let id = "msg_2warzholesewdmt5f4njnwmcf6y5imtt";
        let other = "msg_eub7bg45dkzji4fxfsc7vypd5b2syj2m";
        let failed = |reason: &str| {
            Done::Failed(PortError::Unavailable { action: "cancelling", reason: reason.to_owned() })
        };
        for (result, expected) in [
            (json!({"status": 200, "messageStatus": "CANCELLED"}), Done::Cancelled),
            (json!({"status": 404, "problem": {"detail": "none"}}), Done::Unknown),
            (json!({"status": 409, "problem": {"detail": "late"}}), Done::Denied("late".into())),
            (json!({"status": 503, "problem": {"detail": "again"}}), failed("again")),
            (Value::Null, failed("the answer does not say more")),
            (json!({"status": 200, "id": id}), Done::Cancelled),
            (json!({"status": 200, "id": other}), failed("the answer is about another message")),
            (json!({"status": 404, "id": other}), failed("the answer is about another message")),
        ] {
            assert_eq!(done(&RelayId::parse(id).unwrap(), &result), expected, "{result}");
        }
    }
}
