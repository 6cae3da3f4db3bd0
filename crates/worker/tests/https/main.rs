//! The sender over TLS, against a real server on loopback: whom it trusts, what it tells the server, and
//! that its connections are kept. The handshake itself is not tested here.
//!
//! The client trusts what the host trusts. On Linux that is the file that `SSL_CERT_FILE` names, so every
//! test runs its case in a child process that has an authority of its own there. Other hosts ask a
//! keychain, which a test must not write to.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod kept;
mod receiver;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use relay_core::destination::{AllowList, DestinationPolicy, Method, Target};
use relay_core::outcome::{ErrorKind, Outcome};
use relay_core::ports::{Request, RequestBody, Sender};
use relay_core::time::Timestamp;
use relay_worker::sender::{HttpSender, Lookup};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_rustls::rustls::AlertDescription;

use authority::{Authority, Certified};
use server::{Handshake, Server};

/// The name that every target is called by.
const NAME: &str = "hooks.example";
/// Names the trust store to the child process, before the authority in it is made.
const CHILD_TRUST_STORE: &str = "HTTPS_TEST_CHILD_TRUST_STORE";
/// What the child says at its end: a child that ran no case ends well, too.
const CASE_HELD: &str = "the case held";
/// One exchange on loopback takes milliseconds.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);
/// A case is a few exchanges.
const CASE_MAX: Duration = Duration::from_secs(20);
/// The child has to start besides.
const CHILD_MAX: Duration = Duration::from_secs(30);

/// Runs `case`, the body of the test `name`, in a child process that trusts nobody but the authority that
/// the case is handed.
async fn trusting_one_authority(name: &str, case: impl AsyncFnOnce(Authority)) {
    if let Some(trust_store) = std::env::var_os(CHILD_TRUST_STORE) {
        let trusted = Authority::new("trusted");
        std::fs::write(trust_store, trusted.pem()).unwrap();
        timeout(CASE_MAX, case(trusted)).await.unwrap();
        println!("{CASE_HELD}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trust_store = folder.path().join("trusted.pem");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_TRUST_STORE, &trust_store)
        .env("SSL_CERT_FILE", &trust_store)
        .env_remove("SSL_CERT_DIR")
        .kill_on_drop(true)
        .output();
    let child = timeout(CHILD_MAX, child).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let complained = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains(CASE_HELD), "{said}\n{complained}");
}

/// Every name is an address of this host.
struct ThisHost;

#[async_trait]
impl Lookup for ThisHost {
    async fn lookup(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}

fn sender(allow: &str) -> HttpSender {
    let policy = DestinationPolicy::new(AllowList::parse(allow).unwrap(), None);
    HttpSender::new(policy, Arc::new(ThisHost), EXCHANGE_MAX).unwrap()
}

async fn send(sender: &HttpSender, host: &str, port: u16) -> Outcome {
    send_within(sender, host, port, EXCHANGE_MAX).await
}

async fn send_within(sender: &HttpSender, host: &str, port: u16, timeout: Duration) -> Outcome {
    let request = Request {
        target: Target::parse(&format!("https://{host}:{port}/hook")).unwrap(),
        method: Method::Post,
        headers: vec![("webhook-id".into(), "msg_x".into())],
        body: RequestBody::Bytes(Bytes::from_static(b"{\"a\": 1e400}")),
        timeout,
    };
    sender.send(request, Timestamp::from_millis(1)).await
}

fn completed_for(name: &str) -> Handshake {
    Handshake::Completed(Some(name.to_owned()))
}

#[tokio::test]
async fn a_trusted_server_is_delivered_to_over_one_connection() {
    let name = "a_trusted_server_is_delivered_to_over_one_connection";
    trusting_one_authority(name, async |trusted| {
        let mut server = Server::start(trusted.certify(NAME)).await;
        let sender = sender(&format!("{NAME}:{}", server.port));
        for _ in 0..2 {
            let outcome = send(&sender, NAME, server.port).await;
            assert_eq!((outcome.result, outcome.answer.as_str()), (Ok(200), "arrived"));
            assert_eq!(outcome.retry_after.as_deref(), Some("7"));
            let request = server.request().await;
            assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("webhook-id: msg_x\r\n"), "{request}");
            assert!(request.contains(&format!("host: {NAME}:{}\r\n", server.port)), "{request}");
            assert!(request.ends_with("\r\n\r\n{\"a\": 1e400}"), "{request}");
        }
        assert_eq!(server.handshake().await, completed_for(NAME));
        assert_eq!(server.connections().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_name_with_its_trailing_dot_is_the_same_server() {
    let name = "a_name_with_its_trailing_dot_is_the_same_server";
    trusting_one_authority(name, async |trusted| {
        let mut server = Server::start(trusted.certify(NAME)).await;
        let sender = sender("127.0.0.1");
        let outcome = send(&sender, &format!("{NAME}."), server.port).await;
        assert_eq!(outcome.result, Ok(200));
        assert_eq!(server.handshake().await, completed_for(NAME));
    })
    .await;
}

#[tokio::test]
async fn an_address_is_certified_as_one_and_asks_for_no_name() {
    let name = "an_address_is_certified_as_one_and_asks_for_no_name";
    trusting_one_authority(name, async |trusted| {
        let mut server = Server::start(trusted.certify("127.0.0.1")).await;
        let outcome = send(&sender("127.0.0.1"), "127.0.0.1", server.port).await;
        assert_eq!(outcome.result, Ok(200));
        assert_eq!(server.handshake().await, Handshake::Completed(None));
    })
    .await;
}

/// A server with this certificate is sent nothing, and told `alert`. Another one is delivered to by the
/// same sender, so it is not the trust store that fails.
async fn is_not_sent_to(trusted: &Authority, certified: Certified, alert: AlertDescription) {
    let sender = sender(NAME);
    let sound = Server::start(trusted.certify(NAME)).await;
    assert_eq!(send(&sender, NAME, sound.port).await.result, Ok(200));

    let mut unsound = Server::start(certified).await;
    assert_eq!(send(&sender, NAME, unsound.port).await.result, Err(ErrorKind::Tls));
    assert_eq!(unsound.handshake().await, Handshake::Alert(alert));
    assert_eq!(unsound.connections().await, 1);
    assert!(unsound.has_no_request());
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_not_trusted() {
    let name = "a_certificate_of_a_stranger_is_not_trusted";
    trusting_one_authority(name, async |trusted| {
        let certified = Authority::new("stranger").certify(NAME);
        is_not_sent_to(&trusted, certified, AlertDescription::UnknownCA).await;
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_a_namesake_is_not_trusted() {
    let name = "a_certificate_of_a_namesake_is_not_trusted";
    trusting_one_authority(name, async |trusted| {
        let certified = Authority::new("trusted").certify(NAME);
        is_not_sent_to(&trusted, certified, AlertDescription::DecryptError).await;
    })
    .await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let name = "a_certificate_for_another_name_is_not_trusted";
    trusting_one_authority(name, async |trusted| {
        // The address is the right one, which counts for nothing.
        for other in ["other.example", "deeper.hooks.example", "127.0.0.1"] {
            let certified = trusted.certify(other);
            is_not_sent_to(&trusted, certified, AlertDescription::BadCertificate).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_expired_certificate_is_not_trusted() {
    let name = "an_expired_certificate_is_not_trusted";
    trusting_one_authority(name, async |trusted| {
        let certified = trusted.certify_in_the_past(NAME);
        is_not_sent_to(&trusted, certified, AlertDescription::CertificateExpired).await;
    })
    .await;
}

#[tokio::test]
async fn a_trusted_server_that_is_not_open_is_not_connected_to() {
    let name = "a_trusted_server_that_is_not_open_is_not_connected_to";
    trusting_one_authority(name, async |trusted| {
        let mut server = Server::start(trusted.certify(NAME)).await;
        let port = server.port;
        for allow in ["", "other.example", &format!("{NAME}:443"), &format!("127.0.0.2:{port}")] {
            let outcome = send(&sender(allow), NAME, port).await;
            assert_eq!(outcome.result, Err(ErrorKind::AddressRefused), "{allow}");
        }
        assert_eq!(server.connections().await, 0);
        let outcome = send(&sender(&format!("{NAME}:{port}")), NAME, port).await;
        assert_eq!((outcome.result, server.connections().await), (Ok(200), 1));
    })
    .await;
}
