//! The targets that messages go to, each with its own behaviour, and the way to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use relay_core::body::Sha256;
use relay_core::identity::RelayId;
use relay_core::invariants::{Host, Invariant, Observed, Violation};
use relay_core::outcome::{ErrorKind, Outcome};
use relay_core::ports::{Request, RequestBody, Sender};
use relay_core::signature::{Claimed, SigningSecret};
use relay_core::time::Timestamp;
use relay_testkit::{ManualClock, sample};

use crate::dice::Dice;
use crate::plan::Behaviour;
use crate::watch::Watch;

/// Longer than any attempt.
const NEVER: Duration = Duration::from_secs(3600);

/// All targets of a world.
pub(crate) struct Targets {
    /// What every request has to be signed with.
    pub(crate) secret: SigningSecret,
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
    pub(crate) dice: Arc<Dice>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) clock: ManualClock,
}

struct Reply {
    after: Duration,
    result: Result<u16, ErrorKind>,
    retry_after: Option<String>,
}

impl Targets {
    fn reply(&self, path: &str, attempt: u32) -> Reply {
        let quickly = self.dice.millis(1, 300);
        let plain = |result| Reply { after: quickly, result, retry_after: None };
        match &self.behaviours[path] {
            Behaviour::Takes => plain(Ok(200)),
            Behaviour::Says(status) => plain(Ok(*status)),
            Behaviour::Slow(after) => Reply { after: *after, ..plain(Ok(204)) },
            Behaviour::Hangs => Reply { after: NEVER, ..plain(Err(ErrorKind::Timeout)) },
            Behaviour::Asks(status, asked) if attempt == 1 => {
                Reply { retry_after: Some((*asked).to_owned()), ..plain(Ok(*status)) }
            }
            Behaviour::Asks(..) => plain(Ok(200)),
            Behaviour::Flaky => match self.dice.between(0, 9) {
                0..=3 => plain(Ok(200)),
                4..=6 => plain(Ok(500)),
                7 => plain(Err(ErrorKind::Network)),
                8 => plain(Err(ErrorKind::Connect)),
                _ => Reply { after: self.dice.millis(300, 15_000), ..plain(Ok(200)) },
            },
            Behaviour::Down(until) if self.clock.now() < sample::START.plus(*until) => {
                plain(Ok(503))
            }
            Behaviour::Down(_) => plain(Ok(200)),
        }
    }
}

/// The way from one host to the targets.
pub(crate) struct Road {
    pub(crate) targets: Arc<Targets>,
    pub(crate) by: Host,
}

/// A call that is under way until this is dropped, whatever becomes of the caller.
struct Call {
    watch: Arc<Watch>,
    by: Host,
    id: RelayId,
    attempt: u32,
    result: Option<Result<u16, ErrorKind>>,
}

impl Drop for Call {
    fn drop(&mut self) {
        let Self { by, id, attempt, result, .. } = self;
        let (by, id, attempt, result) = (*by, id.clone(), *attempt, *result);
        self.watch.observe(by, &Observed::Returned { by, id, attempt, result });
    }
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    let found = request.headers.iter().find(|(known, _)| known == name);
    // None of them may be missing; an empty signature counts as a wrong one.
    found.map(|(_, value)| value.as_ref()).unwrap_or_default()
}

async fn bytes_of(body: RequestBody) -> Option<Vec<u8>> {
    match body {
        RequestBody::Bytes(bytes) => Some(bytes.to_vec()),
        RequestBody::Stream { mut stream, .. } => {
            let mut bytes = Vec::new();
            while let Some(piece) = stream.next().await {
                bytes.extend_from_slice(&piece.ok()?);
            }
            Some(bytes)
        }
    }
}

impl Road {
    /// A request that is not signed as it should be breaks the rule that nothing but what was posted arrives: nobody
    /// could tell it from a forgery.
    fn judge_signature(&self, claimed: &Claimed<'_>, id: &RelayId, body: &[u8], at: Timestamp) {
        if let Err(reason) = claimed.verify(&self.targets.secret, body, at) {
            let detail = format!("called with a signature that does not count: {reason}");
            let id = id.clone();
            self.targets.watch.blame(Violation {
                invariant: Invariant::BytesAreIntact,
                id,
                detail,
            });
        }
    }
}

#[async_trait]
impl Sender for Road {
    async fn send(&self, request: Request, started_at: Timestamp) -> Outcome {
        let id = RelayId::parse(header(&request, "webhook-id")).expect("the relay's id");
        let attempt = header(&request, "webhook-attempt").parse().expect("a number");
        let path = request.target.url().path().to_owned();
        let outcome = |result, retry_after, took: Duration| Outcome {
            result,
            retry_after,
            answer: String::new(),
            started_at,
            duration_millis: u64::try_from(took.as_millis()).unwrap(),
        };
        let timeout = request.timeout;
        let [timestamp, signatures] = ["webhook-timestamp", "webhook-signature"]
            .map(|name| header(&request, name).to_owned());
        let Some(bytes) = bytes_of(request.body).await else {
            return outcome(Err(ErrorKind::Network), None, Duration::ZERO);
        };
        let claimed = Claimed { id: id.as_str(), timestamp: &timestamp, signatures: &signatures };
        self.judge_signature(&claimed, &id, &bytes, started_at);
        let body = Sha256::of(&bytes);
        if timeout == Duration::ZERO {
            return outcome(Err(ErrorKind::Timeout), None, timeout);
        }
        let watch = Arc::clone(&self.targets.watch);
        let by = self.by;
        watch.observe(by, &Observed::Called { by, id: id.clone(), attempt, body });
        let mut call = Call { watch, by, id, attempt, result: None };
        let reply = self.targets.reply(&path, attempt);
        tokio::time::sleep(reply.after.min(timeout)).await;
        if reply.after >= timeout {
            call.result = Some(Err(ErrorKind::Timeout));
            return outcome(Err(ErrorKind::Timeout), None, timeout);
        }
        call.result = Some(reply.result);
        outcome(reply.result, reply.retry_after, reply.after)
    }
}
