//! `relay send` as somebody runs it, against a listener on loopback. What a whole relay makes of the
//! requests is not asked here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// A key as one is made, good for no relay at all.
fn key() -> String {
    relay_core::access::ApiKey::draw([1; 16], [[2; 16], [3; 16]]).reveal()
}

/// How long the listener waits for the rest of a request: it is sent in one go.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

fn send(relay: SocketAddr, body: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_relay"))
        .args(["send", "--target-url", "https://a.example/", "--message-id", "m"])
        .args(["--relay-url", &format!("http://{relay}")])
        // Nobody listens on the discard port: whatever goes by this proxy fails.
        .env("http_proxy", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("RELAY_API_KEY", key())
        .env_remove("RELAY_URL")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Whether all of the body is here: JSON that lacks its end is no JSON.
fn is_whole(request: &str) -> bool {
    let body = request.split_once("\r\n\r\n").map(|(_, body)| body);
    body.is_some_and(|body| serde_json::from_str::<serde_json::Value>(body).is_ok())
}

/// Answers one request, and gives back its head and body.
fn relay(answer: &'static str) -> (SocketAddr, thread::JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        let (mut request, mut part) = (String::new(), [0; 4096]);
        while !is_whole(&request) {
            let read = stream.read(&mut part).unwrap();
            assert_ne!(read, 0, "the request ended early: {request}");
            request.push_str(std::str::from_utf8(&part[..read]).unwrap());
        }
        stream.write_all(answer.as_bytes()).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    });
    (address, answered)
}

#[test]
fn json_in_a_file_is_sent_as_json_to_its_last_byte_and_past_any_proxy() {
    let (address, answered) =
        relay("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let output = send(address, "{\"a\":  1}\n");
    assert!(output.status.success(), "{output:?}");
    let (head, body) = answered.join().unwrap();
    assert!(head.contains(&format!("authorization: Bearer {}", key())), "{head}");
    let message: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(message["body"], "{\"a\":  1}\n");
    assert_eq!(message["bodyEncoding"], "text");
    assert_eq!(message["headers"], serde_json::json!({"Content-Type": "application/json"}));
}

#[test]
fn who_is_not_let_in_is_told_what_may_be_behind_it_and_no_key() {
    for (status, answer, hint) in [
        (
            "401",
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope",
            "revoked",
        ),
        (
            "403",
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope",
            "lacks the scope",
        ),
    ] {
        let (address, answered) = relay(answer);
        let output = send(address, "1");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        let lines: Vec<&str> = told.lines().collect();
        // Whoever was not reached is not waited for.
        let first = format!("relay: the relay answered {status}");
        assert_eq!(lines.get(..2), Some(&[first.as_str(), "nope"][..]), "{told}");
        answered.join().unwrap();
        assert!(lines[2].starts_with("hint: ") && lines[2].contains(hint), "{told}");
        assert!(!told.contains(&key()), "{told}");
    }
}

#[test]
fn an_absent_relay_is_told_on_one_line_with_the_cause() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = send(address, "1");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with(&format!("relay: http://{address} did not answer: ")), "{told}");
    assert_eq!(told.to_lowercase().matches("connection refused").count(), 1, "{told}");
    assert_eq!(told.matches(&address.to_string()).count(), 1, "{told}");
}

#[test]
fn the_help_says_where_the_key_comes_from() {
    for flag in ["--help", "-h"] {
        let output = Command::new(env!("CARGO_BIN_EXE_relay")).arg(flag).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let says =
            |part: &str| told.split_whitespace().collect::<Vec<_>>().join(" ").contains(part);
        assert!(says("RELAY_API_KEY") && says("do not sign") && says("--env-file"), "{told}");
    }
}
