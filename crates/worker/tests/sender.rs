//! The sender against real sockets on loopback: what it sends, what it makes of answers, and where it
//! does not connect. Addresses that are not loopback are only ever judged, never sent to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use relay_core::destination::{AllowList, DestinationPolicy, Method, Refusal, Target};
use relay_core::outcome::{ErrorKind, Outcome};
use relay_core::ports::{PortError, Request, RequestBody, Sender};
use relay_core::time::Timestamp;
use relay_worker::sender::{HttpSender, Lookup, PreflightError, SystemLookup, preflight};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Every name resolves to these addresses, whatever the port.
struct Answers(Vec<&'static str>);

#[async_trait]
impl Lookup for Answers {
    async fn lookup(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        assert!(name.ends_with('.'), "{name} is not fully qualified");
        Ok(self.0.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    }
}

struct NoSuchName;

#[async_trait]
impl Lookup for NoSuchName {
    async fn lookup(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no such name"))
    }
}

/// A target that answers every connection with the same bytes and keeps what it was sent.
struct Answering {
    port: u16,
    connections: Arc<AtomicUsize>,
    received: tokio::sync::mpsc::Receiver<String>,
}

/// What a target does after it has read a request's head.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Stall,
    Repeat,
}

async fn answering(answer: &'static str, then: Then) -> Answering {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (sender, received) = tokio::sync::mpsc::channel(16);
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let sender = sender.clone();
            tokio::spawn(async move {
                let request = read_request(&mut socket).await;
                let _ = sender.send(request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                match then {
                    Then::Close => {}
                    Then::Stall => std::future::pending().await,
                    Then::Repeat => while socket.write_all(&[b'x'; 4096]).await.is_ok() {},
                }
            });
        }
    });
    Answering { port, connections, received }
}

/// Reads a request with a content length, or one without a body.
async fn read_request(socket: &mut tokio::net::TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap_or(0);
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return text;
            }
            continue;
        };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").and_then(|length| length.parse::<usize>().ok())
        });
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn request(url: &str) -> Request {
    Request {
        target: Target::parse(url).unwrap(),
        method: Method::Post,
        headers: vec![("webhook-id".into(), "msg_x".into())],
        body: RequestBody::Bytes(Bytes::from_static(b"{\"a\": 1e400}")),
        timeout: Duration::from_secs(5),
    }
}

async fn send_allowed(allow: &str, lookup: impl Lookup + 'static, request: Request) -> Outcome {
    let policy = DestinationPolicy::new(AllowList::parse(allow).unwrap(), None);
    let sender = HttpSender::new(policy, Arc::new(lookup), Duration::from_secs(2)).unwrap();
    sender.send(request, Timestamp::from_millis(1)).await
}

async fn send(port: u16, request: Request) -> Outcome {
    send_allowed(&format!("127.0.0.1:{port}"), SystemLookup, request).await
}

#[tokio::test]
async fn the_request_arrives_as_it_was_asked_for() {
    let mut target =
        answering("HTTP/1.1 202 Fine\r\nContent-Length: 2\r\n\r\nok", Then::Close).await;
    let outcome =
        send(target.port, request(&format!("http://127.0.0.1:{}/h?a=%20", target.port))).await;
    assert_eq!((outcome.result, outcome.answer.as_str()), (Ok(202), "ok"));
    let received = target.received.recv().await.unwrap();
    assert!(received.starts_with("POST /h?a=%20 HTTP/1.1\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\n{\"a\": 1e400}"), "{received}");
    assert!(received.contains("webhook-id: msg_x\r\n"), "{received}");
    for unasked in ["accept-encoding", "cookie", "referer", "transfer-encoding"] {
        assert!(!received.to_ascii_lowercase().contains(unasked), "{received}");
    }
}

#[tokio::test]
async fn a_streamed_body_has_its_length_stated() {
    let mut target = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let pieces = ["stre", "am", "ed"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
    let mut request = request(&format!("http://127.0.0.1:{}/", target.port));
    request.body = RequestBody::Stream { bytes: 8, stream: Box::pin(stream::iter(pieces)) };
    assert_eq!(send(target.port, request).await.result, Ok(200));
    let received = target.received.recv().await.unwrap().to_ascii_lowercase();
    assert!(received.contains("content-length: 8\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\nstreamed"), "{received}");
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    let answer = "HTTP/1.1 503 No\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n";
    let target = answering(answer, Then::Close).await;
    let outcome = send(target.port, request(&format!("http://127.0.0.1:{}/", target.port))).await;
    assert_eq!((outcome.result, outcome.retry_after.as_deref()), (Ok(503), Some("120")));
}

#[tokio::test]
async fn f26_a_redirect_is_an_answer_and_is_not_followed() {
    let inner = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let location = format!(
        "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n",
        inner.port
    );
    let target = answering(location.leak(), Then::Close).await;
    // The second address is open too: only not following keeps the request from it.
    let outcome = send_allowed(
        "127.0.0.0/8",
        SystemLookup,
        request(&format!("http://127.0.0.1:{}/", target.port)),
    )
    .await;
    assert_eq!(outcome.result, Ok(307));
    assert_eq!(inner.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn f26_nothing_connects_to_an_address_that_is_not_open() {
    let target = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let port = target.port;
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://rebinding.example:{port}/"),
    ] {
        for allow in ["", "127.0.0.1:1", "other.example"] {
            let outcome = send_allowed(allow, Answers(vec!["127.0.0.1"]), request(&url)).await;
            assert_eq!(outcome.result, Err(ErrorKind::AddressRefused), "{url} {allow}");
        }
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn f26_the_relays_own_address_is_refused_even_if_opened() {
    let own = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let runtime_api = format!("127.0.0.1:{}", own.port);
    let allow = AllowList::parse("0.0.0.0/0").unwrap();
    let policy = DestinationPolicy::new(allow, Some(&runtime_api));
    let lookup = Arc::new(Answers(vec!["127.0.0.1"]));
    let sender = HttpSender::new(policy, lookup, Duration::from_secs(2)).unwrap();
    for host in ["127.0.0.1", "0.0.0.0", "127.1.1.1", "runtime.example"] {
        let request = request(&format!("http://{host}:{}/2018-06-01/runtime", own.port));
        let outcome = sender.send(request, Timestamp::from_millis(1)).await;
        assert_eq!(outcome.result, Err(ErrorKind::AddressRefused), "{host}");
    }
    assert_eq!(own.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_opened_name_is_connected_to_where_it_resolves() {
    let target = answering("HTTP/1.1 204 OK\r\n\r\n", Then::Close).await;
    let url = format!("http://hooks.internal:{}/", target.port);
    let outcome = send_allowed("hooks.internal", Answers(vec!["127.0.0.1"]), request(&url)).await;
    assert_eq!(outcome.result, Ok(204));
}

#[tokio::test]
async fn f26_private_addresses_are_refused_where_names_become_addresses() {
    let policy = DestinationPolicy::default();
    for url in [
        "http://169.254.169.254/",
        "http://127.0.0.1:9001/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x7f000001/",
        "http://[fd00:ec2::254]/",
    ] {
        let judged = preflight(&policy, &NoSuchName, &Target::parse(url).unwrap()).await;
        assert!(matches!(judged, Err(PreflightError::Refused(Refusal::NotPublic(_)))), "{url}");
    }
    let target = Target::parse("https://hooks.example/").unwrap();
    for answers in [vec!["10.0.0.1"], vec!["8.8.8.8", "192.168.0.1"], vec!["64:ff9b::a00:1"]] {
        let judged = preflight(&policy, &Answers(answers.clone()), &target).await;
        assert!(matches!(judged, Err(PreflightError::Refused(_))), "{answers:?}");
    }
    let judged = preflight(&policy, &Answers(vec!["8.8.8.8"]), &target).await.unwrap();
    assert_eq!(judged, ["8.8.8.8:443".parse::<SocketAddr>().unwrap()]);
}

#[tokio::test]
async fn failures_have_their_kinds() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let outcome = send(closed, request(&format!("http://127.0.0.1:{closed}/"))).await;
    assert_eq!(outcome.result, Err(ErrorKind::Connect));

    let outcome = send_allowed("", NoSuchName, request("http://no.example/")).await;
    assert_eq!(outcome.result, Err(ErrorKind::Dns));

    let garbage = answering("220 mail.example ESMTP\r\n", Then::Close).await;
    let outcome = send(garbage.port, request(&format!("http://127.0.0.1:{}/", garbage.port))).await;
    assert_eq!(outcome.result, Err(ErrorKind::Network));

    let reset = answering("", Then::Close).await;
    let outcome = send(reset.port, request(&format!("http://127.0.0.1:{}/", reset.port))).await;
    assert_eq!(outcome.result, Err(ErrorKind::Network));

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = plain.accept().await.unwrap();
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let outcome = send(port, request(&format!("https://127.0.0.1:{port}/"))).await;
    assert_eq!(outcome.result, Err(ErrorKind::Tls));
}

/// A stored body that is nine bytes short, and then this.
async fn send_stored(rest: stream::BoxStream<'static, Result<Bytes, PortError>>) -> Outcome {
    let target = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let mut request = request(&format!("http://127.0.0.1:{}/", target.port));
    let begin = stream::iter([Ok(Bytes::from_static(b"beginning"))]);
    request.body = RequestBody::Stream { bytes: 18, stream: begin.chain(rest).boxed() };
    request.timeout = Duration::from_millis(500);
    send(target.port, request).await
}

#[tokio::test]
async fn f16_a_stored_body_that_ends_or_stalls_on_its_way_is_not_the_targets_fault() {
    let reason = "broken on purpose".to_owned();
    let broken = Err(PortError::Unavailable { action: "test", reason });
    let outcome = send_stored(stream::iter([broken]).boxed()).await;
    assert_eq!(outcome.result, Err(ErrorKind::BodyUnavailable));
    let outcome = send_stored(stream::pending().boxed()).await;
    assert_eq!(outcome.result, Err(ErrorKind::BodyUnavailable));
}

#[tokio::test]
async fn f25_a_silent_target_times_out() {
    let silent = answering("HTTP/1.1 200", Then::Stall).await;
    let mut request = request(&format!("http://127.0.0.1:{}/", silent.port));
    request.timeout = Duration::from_millis(300);
    assert_eq!(send(silent.port, request).await.result, Err(ErrorKind::Timeout));
}

#[tokio::test]
async fn f25_an_answer_without_end_is_cut_and_its_status_counts() {
    let endless = answering("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Then::Repeat).await;
    let outcome = send(endless.port, request(&format!("http://127.0.0.1:{}/", endless.port))).await;
    assert_eq!((outcome.result, outcome.answer.len()), (Ok(200), 256));

    let trickling = answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Then::Stall).await;
    let mut request = request(&format!("http://127.0.0.1:{}/", trickling.port));
    request.timeout = Duration::from_millis(500);
    let outcome = send(trickling.port, request).await;
    assert_eq!((outcome.result, outcome.answer.as_str()), (Ok(200), "abc"));
}

#[tokio::test]
async fn f25_a_compressed_answer_is_not_unpacked() {
    let answer = "HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nzip!";
    let target = answering(answer, Then::Close).await;
    let outcome = send(target.port, request(&format!("http://127.0.0.1:{}/", target.port))).await;
    assert_eq!((outcome.result, outcome.answer.as_str()), (Ok(500), "zip!"));
}
