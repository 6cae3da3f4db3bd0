//! Clients: they post, repeat what was not answered, post the same twice and use ids again for other content.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use relay_core::body::Sha256;
use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_core::invariants::{Answer, Host, Invariant, Observed, Violation};
use serde_json::Value;
use tower::ServiceExt;

use crate::hosts::{Machine, Services};
use crate::mortal::Mortal;
use crate::plan::{Content, Plan, Planned};

/// What stands for all clients in reports.
pub(crate) const CLIENTS: Host = Host(0);
/// What an answer of ingest has at most, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 16;
/// How many awaits a request that dies reaches at most.
const AWAITS_MAX: u64 = 25;
pub(crate) const SENDER: &str = "sim";

/// The environments of ingest.
pub(crate) type Routers = Arc<Vec<(Machine, Router)>>;

/// A client that posts one message.
pub(crate) struct Client {
    services: Arc<Services>,
    routers: Routers,
    posts: Arc<AtomicU64>,
    number: usize,
    id: RelayId,
}

/// The id of the message of this number.
pub(crate) fn id_of(number: usize) -> RelayId {
    let sender = SenderId::parse(SENDER).unwrap();
    RelayId::of(&sender, &MessageId::parse(&format!("m{number}")).unwrap())
}

/// The path at its destination that the message of this number goes to.
pub(crate) fn path_of(number: usize) -> String {
    format!("/hooks/{number}")
}

/// A body that changes when it is read and written again.
pub(crate) fn body_of(planned: &Planned, content: Content) -> String {
    let filling = "ä".repeat(planned.body_bytes / 2);
    let price = match content {
        Content::Usual => "0.10",
        Content::Other => "0.20",
        Content::Later => "0.30",
    };
    format!(r#"{{"price": {price},  "price": 1e400, "text": "{filling}\uffff"}}"#)
}

/// The request for the message of this number, with this body.
pub(crate) fn text_of(plan: &Plan, number: usize, body: &str) -> String {
    let destination = number % plan.destinations;
    let target = format!("https://t{destination}.example.com{}", path_of(number));
    format!(
        r#"{{"messageId":"m{number}","senderId":"{SENDER}","targetUrl":"{target}","body":{body}}}"#
    )
}

/// Whether being refused for a used id is right: somebody posts other content under it.
pub(crate) fn is_reuse(plan: &Plan, number: usize, content: Content, problem: &Value) -> bool {
    let is_used =
        content == Content::Later || plan.contents(number).any(|theirs| theirs != content);
    problem["code"] == "MESSAGE_ID_REUSED" && is_used
}

/// One request to any environment of ingest, which may die on its way there, at one of so many awaits; nothing if it
/// did, or if the answer got lost.
pub(crate) async fn ask(
    services: &Services,
    routers: &Routers,
    request: Request<Body>,
    awaits_max: u64,
) -> Option<(StatusCode, Value)> {
    let (machine, router) = services.dice.pick(routers);
    let dies = services.weather.strikes(services.plan.deaths);
    let awaits = dies.then(|| services.dice.between(1, awaits_max));
    let work = async {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    };
    let answer = Mortal::new(work, awaits).await;
    if answer.is_none() {
        services.watch.died(machine.host, "a request dies");
    }
    answer.filter(|_| !services.weather.strikes(services.plan.faults / 4))
}

impl Client {
    /// A client of the message of this number.
    pub(crate) fn new(
        services: &Arc<Services>,
        routers: &Routers,
        posts: &Arc<AtomicU64>,
        number: usize,
    ) -> Self {
        let (services, routers) = (Arc::clone(services), Arc::clone(routers));
        Self { services, routers, posts: Arc::clone(posts), number, id: id_of(number) }
    }

    /// Posts from so long from now on.
    pub(crate) async fn begin(self, planned: Planned, begins: Duration, content: Content) {
        tokio::time::sleep(begins).await;
        self.post_until_answered(&planned, content).await;
    }

    /// Posts until there is an answer, or patience ends.
    async fn post_until_answered(&self, planned: &Planned, content: Content) {
        let body = body_of(planned, content);
        for _ in 0..=planned.repeats {
            if self.post(&body, content).await != Answer::Unknown {
                return;
            }
            tokio::time::sleep(self.services.dice.millis(1000, 20_000)).await;
        }
    }

    async fn post(&self, body: &str, content: Content) -> Answer {
        let post = self.posts.fetch_add(1, Ordering::SeqCst);
        let id = self.id.clone();
        let watch = &self.services.watch;
        let sha256 = Sha256::of(body.as_bytes());
        watch.observe(CLIENTS, &Observed::Posted { post, id: id.clone(), body: sha256 });
        let answer = self.request(body).await;
        let answer = match answer {
            None => Answer::Unknown,
            Some((StatusCode::ACCEPTED | StatusCode::OK, _)) => Answer::Accepted,
            Some((StatusCode::SERVICE_UNAVAILABLE, _)) => Answer::Unknown,
            Some((StatusCode::UNPROCESSABLE_ENTITY, json))
                if is_reuse(&self.services.plan, self.number, content, &json) =>
            {
                Answer::Refused
            }
            Some((status, json)) => {
                let detail = format!("answered {status} {json}");
                let invariant = Invariant::AnswersAddUp;
                watch.blame(Violation { invariant, id: id.clone(), detail });
                Answer::Unknown
            }
        };
        watch.observe(CLIENTS, &Observed::Answered { post, id, answer });
        answer
    }

    async fn request(&self, body: &str) -> Option<(StatusCode, Value)> {
        let text = text_of(&self.services.plan, self.number, body);
        let request = Request::post("/message").header("content-type", "application/json");
        let request = request.body(Body::from(text)).unwrap();
        ask(&self.services, &self.routers, request, AWAITS_MAX).await
    }
}
