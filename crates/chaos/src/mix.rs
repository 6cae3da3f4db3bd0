//! What is sent: messages of several kinds to targets that behave in several ways, all of it following
//! from a seed.

use data_encoding::{BASE64, HEXLOWER};
use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_testkit::Chance;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Who sends all of it.
const SENDER: &str = "chaos";
/// Size of a body that fits into no queue message and goes by the bucket.
const LARGE_BYTES: usize = 300 * 1024;
/// Size of a body that is kept in the bucket but rides in the queue message.
const MIDDLE_BYTES: usize = 20 * 1024;
/// Largest of the ordinary bodies.
const SMALL_BYTES_MAX: u64 = 1500;
/// Longest that a slow target takes, in milliseconds: under the timeout of an attempt.
const SLOW_MILLISECONDS_MAX: u64 = 400;

/// Where the targets are. Those that fail have destinations of their own.
#[derive(Debug, Clone, Copy)]
pub struct Targets {
    /// Answers, at once or after a while.
    pub sound: SocketAddr,
    /// Answers after some refusals.
    pub flaky: SocketAddr,
    /// Never takes a message.
    pub failing: SocketAddr,
}

/// How a target behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Says yes.
    Ok,
    /// Says yes after a while.
    Slow,
    /// Says 503 once or twice, then yes.
    Flaky,
    /// Says 503.
    Down,
    /// Says 422.
    Refusing,
    /// Says nothing.
    Silent,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The relay's id of it.
    pub id: String,
    /// How its target behaves.
    pub kind: Kind,
    /// The request, as JSON text.
    pub request: String,
    /// SHA-256 of the bytes that the target is to get, in hexadecimal.
    pub body_sha256: String,
}

/// The `number`-th message of a run. Nothing only if its ids break the relay's rules, which they do not.
#[must_use]
pub fn message(seed: u64, number: u64, targets: &Targets) -> Option<Message> {
    let mut chance = Chance::seeded(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (kind, url) = target(&mut chance, targets);
    compose(&format!("m-{seed}-{number}"), kind, &url, body(&mut chance, number))
}

/// A message of a few bytes to `url`. Nothing only if `name` breaks the relay's rules for message ids.
#[must_use]
pub fn plain(name: &str, kind: Kind, url: &str) -> Option<Message> {
    compose(name, kind, url, as_text(name))
}

/// `fields` of the request carry the body, which is these bytes.
fn compose(
    message_id: &str,
    kind: Kind,
    url: &str,
    (fields, bytes): (String, Vec<u8>),
) -> Option<Message> {
    let id = RelayId::of(&SenderId::parse(SENDER).ok()?, &MessageId::parse(message_id).ok()?);
    let request = format!(
        "{{\"messageId\":\"{message_id}\",\"senderId\":\"{SENDER}\",\"targetUrl\":\"{url}\",{fields}}}"
    );
    let body_sha256 = HEXLOWER.encode(&Sha256::digest(bytes));
    Some(Message { id: id.to_string(), kind, request, body_sha256 })
}

/// Six of ten are simple; the others are shared out among everything that can be in the way.
fn target(chance: &mut Chance, targets: &Targets) -> (Kind, String) {
    match chance.below(20) {
        0..12 => (Kind::Ok, format!("http://{}/ok", targets.sound)),
        12..15 => {
            let wait = 1 + chance.below(SLOW_MILLISECONDS_MAX);
            (Kind::Slow, format!("http://{}/slow/{wait}", targets.sound))
        }
        15..18 => {
            let times = 1 + chance.below(2);
            (Kind::Flaky, format!("http://{}/flaky/{times}", targets.flaky))
        }
        18 => (Kind::Down, format!("http://{}/down", targets.failing)),
        _ => (Kind::Refusing, format!("http://{}/refusing", targets.failing)),
    }
}

/// The fields of the request that carry the body, and the bytes that it stands for.
fn body(chance: &mut Chance, number: u64) -> (String, Vec<u8>) {
    match chance.below(20) {
        0 => as_text(&letters(chance, LARGE_BYTES)),
        1..3 => as_text(&letters(chance, MIDDLE_BYTES)),
        3..6 => {
            let count = chance.below(SMALL_BYTES_MAX);
            let bytes: Vec<u8> = (0..count).map(|_| chance.next().to_le_bytes()[0]).collect();
            (format!("\"body\":\"{}\",\"bodyEncoding\":\"base64\"", BASE64.encode(&bytes)), bytes)
        }
        _ => {
            // Spaces, order and the form of numbers are part of the body.
            let (length, odd) = (chance.below(SMALL_BYTES_MAX), chance.below(1000));
            let filling = letters(chance, usize::try_from(length).unwrap_or_default());
            let json = format!(
                "{{ \"z\": {number}, \"a\":1.{odd}e0,\"text\" : \"{filling}\" , \"n\":-0.0}}"
            );
            (format!("\"body\":{json}"), json.into_bytes())
        }
    }
}

fn as_text(text: &str) -> (String, Vec<u8>) {
    (format!("\"body\":\"{text}\",\"bodyEncoding\":\"text\""), text.as_bytes().to_vec())
}

/// Hexadecimal digits, which mean themselves in JSON.
fn letters(chance: &mut Chance, count: usize) -> String {
    let mut text = String::with_capacity(count + 16);
    while text.len() < count {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:016x}", chance.next());
    }
    text.truncate(count);
    text
}
