//! The proxy of faults, between a client and a service of few words: who gets what, and what the
//! service gets to see.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use relay_testkit::wire::{Fault, FaultKind, Faults, Proxy, Rule, Service, listen};
use tokio::net::TcpStream;

const ANSWER: &str = "{\"MessageId\":\"0\"}";

/// A service that says yes, and what was asked of it: host and body.
struct Yes {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Yes {
    async fn start() -> Self {
        let listener = listen().await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<(String, Bytes)>>>::default();
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request: Request<Incoming>| {
                    let kept = Arc::clone(&kept);
                    async move {
                        let host = request.headers()["host"].to_str().unwrap().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        kept.lock().unwrap().push((host, body));
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(ANSWER))))
                    }
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, seen }
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

/// A proxy in front of such a service, and what goes wrong in it.
async fn between() -> (Yes, Proxy, Faults) {
    let yes = Yes::start().await;
    let faults = Faults::none();
    let listener = listen().await.unwrap();
    let proxy = Proxy::start(listener, Service::Sqs, yes.address, faults.clone()).unwrap();
    (yes, proxy, faults)
}

/// One call on a connection of its own; nothing if the answer did not come whole.
async fn call(proxy: &Proxy, path: &str, body: &str) -> Option<(u16, Bytes)> {
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(path)
        .header("host", "a.name.of.its.own")
        .header("x-amz-target", "AmazonSQS.SendMessage")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.into_body().collect().await.ok()?.to_bytes()))
}

#[tokio::test]
async fn without_a_fault_everything_passes_as_it_is() {
    let (yes, proxy, faults) = between().await;
    assert_eq!(call(&proxy, "/", "one").await, Some((200, Bytes::from(ANSWER))));
    let seen = yes.seen.lock().unwrap().clone();
    assert_eq!(seen, [("a.name.of.its.own".to_owned(), Bytes::from("one"))]);
    let counts = faults.counts().operation(Service::Sqs, "SendMessage");
    assert_eq!((counts.calls, counts.faults.len()), (1, 0));
}

#[tokio::test]
async fn errors_and_resets_never_reach_the_service() {
    let (yes, proxy, faults) = between().await;
    let error = Service::Sqs.error("RequestThrottled").unwrap();
    for fault in [Fault::Error(error), Fault::Reset] {
        faults.add(Rule::next(Service::Sqs, "SendMessage", fault));
    }
    let (status, text) = call(&proxy, "/", "one").await.expect("an error is an answer");
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&text).contains("sqs#RequestThrottled"), "{text:?}");
    assert_eq!(call(&proxy, "/", "two").await, None);
    assert_eq!(yes.bodies(), Vec::<Bytes>::new());
    assert_eq!(call(&proxy, "/", "three").await.map(|answer| answer.0), Some(200));
    assert_eq!(faults.rules_left(), 0);
}

#[tokio::test]
async fn lost_and_cut_answers_are_of_calls_that_were_done() {
    let (yes, proxy, faults) = between().await;
    faults.add(Rule::next(Service::Sqs, "SendMessage", Fault::AnswerLost));
    faults.add(Rule::next(Service::Sqs, "SendMessage", Fault::AnswerCut).after(1));
    assert_eq!(call(&proxy, "/", "lost").await, None);
    assert_eq!(call(&proxy, "/", "whole").await.map(|answer| answer.0), Some(200));
    assert_eq!(call(&proxy, "/", "cut").await, None);
    assert_eq!(yes.bodies(), ["lost", "whole", "cut"].map(Bytes::from));
    let counts = faults.counts().operation(Service::Sqs, "SendMessage");
    assert_eq!((counts.of(FaultKind::AnswerLost), counts.of(FaultKind::AnswerCut)), (1, 1));
}

#[tokio::test]
async fn a_slow_call_is_done_unless_its_caller_goes_away() {
    let (yes, proxy, faults) = between().await;
    let pause = Duration::from_millis(300);
    faults.add(Rule::next(Service::Sqs, "SendMessage", Fault::Slow(pause)).times(2));
    let started = Instant::now();
    assert!(call(&proxy, "/", "slow").await.is_some());
    assert!(started.elapsed() >= pause);
    let given_up = tokio::time::timeout(pause / 3, call(&proxy, "/", "given up")).await;
    assert!(given_up.is_err(), "{given_up:?}");
    // A third call takes longer than the second would have taken to arrive.
    faults.add(Rule::next(Service::Sqs, "SendMessage", Fault::Slow(pause)));
    assert!(call(&proxy, "/", "third").await.is_some());
    assert_eq!(yes.bodies(), ["slow", "third"].map(Bytes::from));
}

#[tokio::test]
async fn links_that_people_hold_are_left_alone() {
    let (yes, proxy, faults) = between().await;
    faults.add(Rule::next(Service::Sqs, "SendMessage", Fault::Reset));
    let answer = call(&proxy, "/bucket/key?X-Amz-Signature=0", "by link").await;
    assert_eq!(answer.map(|answer| answer.0), Some(200));
    assert_eq!((yes.bodies().len(), faults.counts().total().calls), (1, 0));
}
