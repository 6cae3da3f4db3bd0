//! Which trace a message belongs to: W3C Trace Context (level 1) and X-Ray's header, read, carried and written.
//!
//! The relay takes part in traces and reports none: it keeps the trace's id from the request to the target, so that
//! whoever collects the spans of both ends finds them together. What is malformed is ignored and never an error.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::hexadecimal;
use crate::lifecycle::Life;

/// The header that names trace and parent.
pub const TRACEPARENT: &str = "traceparent";
/// The header in which vendors keep what is theirs.
pub const TRACESTATE: &str = "tracestate";
/// X-Ray's header.
pub const XRAY_HEADER: &str = "x-amzn-trace-id";
/// Longest `tracestate` that is passed on, in bytes: what the standard wants everybody to pass on.
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Most members of a `tracestate` (W3C Trace Context, section 3.3.1.1).
const TRACESTATE_MEMBERS_MAX: usize = 32;
/// Longest X-Ray header that is looked at, in bytes. What is kept of it is a fifth of that.
const XRAY_BYTES_MAX: usize = 512;
/// Length of X-Ray's way to write the id of a trace: 32 digits, and what stands before and between them.
const XRAY_ROOT_BYTES: usize = "1-".len() + 32 + "-".len();
/// Longest X-Ray header that is written.
const XRAY_TEXT_BYTES_MAX: usize =
    "Root=".len() + XRAY_ROOT_BYTES + ";Parent=".len() + 16 + ";Sampled=0".len();
/// Length of a `traceparent` of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// The place of one call in a trace. Never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

impl SpanId {
    /// Names a call by random bits, which the caller draws.
    pub fn from_random(bits: [u8; 16]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&bits[..8]);
        // All zero is no id; the chance of it is 2^-64.
        if id == [0; 8] {
            id[7] = 1;
        }
        Self(id)
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal::written(&self.0, |digits| formatter.write_str(digits))
    }
}

/// A trace, with what its headers said besides its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    parent: SpanId,
    is_sampled: bool,
    state: Option<String>,
    xray: Option<XrayTrace>,
}

/// What a request said of its trace, and what the host says of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The header `traceparent`.
    pub traceparent: Option<&'a str>,
    /// The header `tracestate`.
    pub tracestate: Option<&'a str>,
    /// The header `x-amzn-trace-id`.
    pub xray: Option<&'a str>,
    /// What Lambda says of the invocation, in the same form. It counts if the header is absent or names the same
    /// trace: then it says more of it.
    pub xray_of_host: Option<&'a str>,
}

impl Trace {
    /// The trace of a request. One that brings none begins one that nobody has asked to have recorded, under a random
    /// id, which the caller draws: every line of the log has a trace.
    pub fn of_request(given: Given<'_>, random: [u8; 16]) -> Self {
        let asked = given.xray.and_then(XrayTrace::parse);
        let hosts = given.xray_of_host.and_then(XrayTrace::parse);
        let xray = match (asked, hosts) {
            (Some(asked), Some(hosts)) if asked.root != hosts.root => Some(asked),
            (asked, hosts) => hosts.or(asked),
        };
        if let Some(trace) = given.traceparent.and_then(parse_parent) {
            let state = given.tracestate.filter(|text| is_state(text)).map(str::to_owned);
            return Self { state, xray, ..trace };
        }
        let mut trace = Self::new(random);
        if let Some(xray) = &xray {
            // X-Ray's ids are W3C's, written in another way.
            trace.id = xray.root;
            trace.parent = xray.parent.unwrap_or(trace.parent);
            trace.is_sampled = xray.is_sampled.unwrap_or(false);
        }
        Self { xray, ..trace }
    }

    /// The trace of a message that brought none: one set going again, or accepted before messages brought any. All
    /// attempts of a life share it.
    pub fn of_life(life: &Life) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"trace of a life");
        hash.update(life.accepted_id.as_str().as_bytes());
        hash.update(life.generation.0.to_be_bytes());
        let mut bits = [0; 16];
        bits.copy_from_slice(&hash.finalize()[..16]);
        Self::new(bits)
    }

    fn new(bits: [u8; 16]) -> Self {
        // All zero is no id.
        let id = if bits == [0; 16] { [1; 16] } else { bits };
        Self { id, parent: SpanId::from_random(id), is_sampled: false, state: None, xray: None }
    }

    /// Reads what [`traceparent`](Self::traceparent), [`state`](Self::state) and [`xray`](Self::xray) wrote.
    pub fn read(
        traceparent: Option<&str>,
        state: Option<&str>,
        xray: Option<&str>,
    ) -> Option<Self> {
        let trace = traceparent.and_then(parse_parent)?;
        let state = state.filter(|text| is_state(text)).map(str::to_owned);
        Some(Self { state, xray: xray.and_then(XrayTrace::parse), ..trace })
    }

    /// The id of the trace: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        hexadecimal::written(&self.id, str::to_owned)
    }

    /// The value of `traceparent` as the request had it.
    pub fn traceparent(&self) -> String {
        self.traceparent_of(self.parent)
    }

    /// The value of `traceparent` for a call of the relay's own. Of the flags only the one that level 1 defines is
    /// passed on, as it asks.
    pub fn traceparent_of(&self, span: SpanId) -> String {
        let mut text = String::with_capacity(TRACEPARENT_BYTES);
        text.push_str("00-");
        hexadecimal::written(&self.id, |digits| text.push_str(digits));
        text.push('-');
        hexadecimal::written(&span.0, |digits| text.push_str(digits));
        text.push_str(if self.is_sampled { "-01" } else { "-00" });
        text
    }

    /// The value of `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The value of X-Ray's header.
    pub fn xray(&self) -> Option<String> {
        self.xray.as_ref().map(XrayTrace::text)
    }

    /// X-Ray's way to write the id of its trace.
    pub fn xray_id(&self) -> Option<String> {
        self.xray.as_ref().map(XrayTrace::root)
    }
}

/// What is kept of X-Ray's header; what else it may hold is for the services of AWS among themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct XrayTrace {
    root: [u8; 16],
    parent: Option<SpanId>,
    is_sampled: Option<bool>,
}

impl XrayTrace {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > XRAY_BYTES_MAX {
            return None;
        }
        let part = |name: &str| {
            text.split(';').find_map(|part| {
                let (key, value) = part.trim().split_once('=')?;
                (key == name).then_some(value)
            })
        };
        let mut pieces = part("Root")?.split('-');
        let (version, seconds, rest) = (pieces.next()?, pieces.next()?, pieces.next()?);
        if version != "1" || seconds.len() != 8 || pieces.next().is_some() {
            return None;
        }
        Some(Self {
            root: bytes(&[seconds, rest].concat())?,
            parent: part("Parent").and_then(bytes).map(SpanId),
            is_sampled: part("Sampled").and_then(|text| match text {
                "0" => Some(false),
                "1" => Some(true),
                // Left open.
                _ => None,
            }),
        })
    }

    /// X-Ray's way to write the id: `1`, when it began, and the rest of it.
    fn root(&self) -> String {
        let mut text = String::with_capacity(XRAY_ROOT_BYTES);
        self.push_root(&mut text);
        text
    }

    fn push_root(&self, text: &mut String) {
        hexadecimal::written(&self.root, |digits| {
            let (seconds, rest) = digits.split_at(8);
            for piece in ["1-", seconds, "-", rest] {
                text.push_str(piece);
            }
        });
    }

    /// The header's value.
    fn text(&self) -> String {
        let mut text = String::with_capacity(XRAY_TEXT_BYTES_MAX);
        text.push_str("Root=");
        self.push_root(&mut text);
        if let Some(parent) = self.parent {
            text.push_str(";Parent=");
            hexadecimal::written(&parent.0, |digits| text.push_str(digits));
        }
        if let Some(is_sampled) = self.is_sampled {
            text.push_str(if is_sampled { ";Sampled=1" } else { ";Sampled=0" });
        }
        text
    }
}

/// Reads a `traceparent`. One of a later version is read as far as version 00 goes, as the standard asks.
fn parse_parent(text: &str) -> Option<Trace> {
    let known = text.get(..TRACEPARENT_BYTES)?;
    let later = &text[TRACEPARENT_BYTES..];
    let mut pieces = known.split('-');
    let mut piece = || pieces.next();
    let (version, id, parent, flags) = (piece()?, piece()?, piece()?, piece()?);
    let [version]: [u8; 1] = bytes(version)?;
    let [flags]: [u8; 1] = bytes(flags)?;
    let may_be = match version {
        0 => later.is_empty(),
        0xff => false,
        _ => later.is_empty() || later.starts_with('-'),
    };
    if !may_be || piece().is_some() {
        return None;
    }
    let (id, parent) = (bytes(id)?, SpanId(bytes(parent)?));
    Some(Trace { id, parent, is_sampled: flags & 1 == 1, state: None, xray: None })
}

/// The bytes that lower-case hexadecimal digits stand for. All zero is no id, though it may be a version or flags.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    HEXLOWER.decode_mut(digits.as_bytes(), &mut bytes).ok()?;
    (N == 1 || bytes != [0; N]).then_some(bytes)
}

/// Whether the text is a `tracestate`, and one that may be passed on.
fn is_state(text: &str) -> bool {
    let mut keys = Vec::new();
    if text.len() > TRACESTATE_BYTES_MAX {
        return false;
    }
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let Some((key, value)) = member.split_once('=') else { return false };
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return false;
        }
        keys.push(key);
    }
    (1..=TRACESTATE_MEMBERS_MAX).contains(&keys.len())
}

fn is_key(key: &str) -> bool {
    let follows =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
    let begins = |text: &str, with_digit: bool, most: usize| {
        let first = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase() || (with_digit && byte.is_ascii_digit()));
        first && text.len() <= most && text.bytes().all(follows)
    };
    match key.split_once('@') {
        Some((tenant, system)) => begins(tenant, true, 241) && begins(system, false, 14),
        None => begins(key, false, 256),
    }
}

fn is_value(value: &str) -> bool {
    let is_sign = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_sign) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests;
