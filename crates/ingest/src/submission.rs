//! A message as a client submits it: the fields of `POST /message`, every rule on them, and every
//! broken rule told at once.
//!
//! Whether an upload exists and whether the id is taken is not judged here: that needs the stores.

use std::borrow::Cow;

use bytes::Bytes;
use data_encoding::BASE64;
use relay_core::body::Sha256;
use relay_core::destination::{DestinationPolicy, Method, Target};
use relay_core::fingerprint::Fingerprint;
use relay_core::headers::Headers;
use relay_core::identity::{MessageId, SenderId};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;
use serde_json::value::RawValue;

use crate::codes::Code;
use crate::mistakes::{MISTAKES_LISTED_OF_ITEM_MAX, Mistakes, pointer};
use crate::object::{Object, read_item, read_request, string};

/// The fields of `POST /message`.
pub const FIELDS: [&str; 9] = [
    "messageId",
    "senderId",
    "timestamp",
    "targetUrl",
    "method",
    "headers",
    "body",
    "bodyEncoding",
    "payload",
];
const PAYLOAD_FIELDS: [&str; 1] = ["uploadId"];

/// What a submission may be, besides its form.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where messages may go.
    pub destinations: DestinationPolicy,
    /// Largest body, in bytes.
    pub payload_bytes_max: u64,
}

/// The body of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It came with the request.
    Given {
        /// The bytes.
        bytes: Bytes,
        /// Their hash.
        sha256: Sha256,
    },
    /// It was uploaded before.
    Uploaded(UploadId),
}

impl Content {
    /// A body that came with the request. It is hashed here, once.
    pub fn given(bytes: Bytes) -> Self {
        let sha256 = Sha256::of(&bytes);
        Self::Given { bytes, sha256 }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Given { bytes, .. } => bytes.len() as u64,
            Self::Uploaded(upload) => upload.bytes(),
        }
    }

    /// The hash of the bytes; of an upload the announced one, which the store holds it to.
    pub fn sha256(&self) -> Sha256 {
        match self {
            Self::Given { sha256, .. } => *sha256,
            Self::Uploaded(upload) => upload.sha256(),
        }
    }
}

/// A submitted message, every field checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Who sends it.
    pub sender_id: SenderId,
    /// What the sender calls it.
    pub message_id: MessageId,
    /// Where it goes.
    pub target: Target,
    /// How the target is called.
    pub method: Method,
    /// The headers to send, content type included.
    pub headers: Headers,
    /// The body.
    pub content: Content,
    /// The event's time, as it was sent.
    pub timestamp: Option<String>,
}

impl Submission {
    /// Reads the bytes of a request. A JSON body stays where it is in them.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn parse(request: &Bytes, rules: &Rules) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let submission = read_request(request, &FIELDS, &mut mistakes)
            .and_then(|object| Self::read(&object, request, rules, &mut mistakes));
        mistakes.or(submission)
    }

    /// Reads one of several messages in the bytes of a request, the one at pointer `at`.
    ///
    /// # Errors
    /// Every wrong field of it, by its place in the request.
    pub(crate) fn parse_item(
        item: &RawValue,
        at: &str,
        request: &Bytes,
        rules: &Rules,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::listing(MISTAKES_LISTED_OF_ITEM_MAX);
        let submission = read_item(item, at, &FIELDS, &mut mistakes)
            .and_then(|object| Self::read(&object, request, rules, &mut mistakes));
        mistakes.or(submission)
    }

    /// Every field is read before the first missing one ends it: `?` comes last.
    fn read(
        object: &Object<'_>,
        request: &Bytes,
        rules: &Rules,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let message_id = object.required("messageId", MessageId::parse, mistakes);
        let sender_id = object.required("senderId", SenderId::parse, mistakes);
        let timestamp = object.parsed(
            "timestamp",
            |text| Timestamp::parse_rfc3339(text).map(|_| text.to_owned()),
            mistakes,
        );
        let target = object.required("targetUrl", Target::parse, mistakes);
        if let Some(refusal) =
            target.as_ref().and_then(|target| rules.destinations.judge_literal(target).err())
        {
            mistakes.add_as(Code::TargetRefused, object.pointer("targetUrl"), refusal);
        }
        let method = match object.get("method") {
            Some(_) => object.parsed("method", Method::parse, mistakes),
            None => Some(Method::Post),
        };
        let headers = headers(object, mistakes);
        let content = content(object, request, rules, mistakes);
        let (content, content_type) = content?;
        let headers = match content_type {
            Some(content_type) => headers?.with_default_content_type(content_type),
            None => headers?,
        };
        Some(Self {
            sender_id: sender_id?,
            message_id: message_id?,
            target: target?,
            method: method?,
            headers,
            content,
            timestamp,
        })
    }

    /// What tells this submission from another one with the same id.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(
            self.method,
            &self.target,
            &self.headers,
            self.content.sha256(),
            self.timestamp.as_deref(),
        )
    }
}

fn headers(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<Headers> {
    if object.get("headers").is_none() {
        return Some(Headers::default());
    }
    let pairs = object.strings("headers", mistakes)?;
    let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    Headers::parse(pairs)
        .map_err(|wrong| {
            let at = object.pointer("headers");
            for (name, mistake) in wrong {
                let at = name.map_or_else(|| at.clone(), |name| pointer(&at, &name));
                mistakes.add(at, mistake);
            }
        })
        .ok()
}

/// The body and the content type it has unless the client names another. No body, no content type.
fn content(
    object: &Object<'_>,
    request: &Bytes,
    rules: &Rules,
    mistakes: &mut Mistakes,
) -> Option<(Content, Option<&'static str>)> {
    let max = rules.payload_bytes_max;
    let (at, content, content_type) = if object.get("payload").is_some() {
        for excluded in ["body", "bodyEncoding"] {
            if object.get(excluded).is_some() {
                mistakes.add(object.pointer(excluded), "cannot be given together with payload");
            }
        }
        let upload = uploaded(object, mistakes)?;
        ("payload", Content::Uploaded(upload), Some(Encoding::Base64.content_type()))
    } else {
        let (bytes, content_type) = given(object, request, mistakes)?;
        ("body", Content::given(bytes), content_type)
    };
    if content.bytes() > max {
        let detail = format!("has {} bytes; the limit is {max}", content.bytes());
        mistakes.add_as(Code::PayloadTooLarge, object.pointer(at), detail);
    }
    Some((content, content_type))
}

fn uploaded(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<UploadId> {
    let parse =
        |text: &str| UploadId::parse(text).ok_or("must be an upload id from POST /v1/uploads");
    object.object("payload", &PAYLOAD_FIELDS, mistakes)?.required("uploadId", parse, mistakes)
}

/// How `body` is to be turned into bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// Its JSON text is the body.
    Json,
    /// It is a string; its UTF-8 is the body.
    Text,
    /// It is a string of base64.
    Base64,
}

impl Encoding {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            "base64" => Ok(Self::Base64),
            _ => Err("must be json, text or base64"),
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Base64 => "application/octet-stream",
        }
    }

    fn decode(
        self,
        value: &RawValue,
        request: &Bytes,
        at: impl Fn() -> String,
        mistakes: &mut Mistakes,
    ) -> Option<Bytes> {
        match self {
            Self::Json => Some(part(request, value.get().as_bytes())),
            Self::Text => string(value, at, mistakes).map(|text| match text {
                Cow::Borrowed(text) => part(request, text.as_bytes()),
                Cow::Owned(text) => Bytes::from(text),
            }),
            Self::Base64 => {
                let text = string(value, &at, mistakes)?;
                let decoded = BASE64.decode(text.as_bytes()).map(Bytes::from);
                let expected = "must be base64 of the standard alphabet, with padding";
                decoded.map_err(|_| mistakes.add(at(), expected)).ok()
            }
        }
    }
}

/// A piece of the request, without copying it.
fn part(request: &Bytes, piece: &[u8]) -> Bytes {
    let (whole, range) = (request.as_ptr_range(), piece.as_ptr_range());
    if whole.start <= range.start && range.end <= whole.end {
        request.slice_ref(piece)
    } else {
        Bytes::copy_from_slice(piece)
    }
}

fn given(
    object: &Object<'_>,
    request: &Bytes,
    mistakes: &mut Mistakes,
) -> Option<(Bytes, Option<&'static str>)> {
    let encoding = match object.get("bodyEncoding") {
        Some(_) => object.parsed("bodyEncoding", Encoding::parse, mistakes),
        None => Some(Encoding::Json),
    };
    match object.get("body") {
        Some(value) => {
            let encoding = encoding?;
            let bytes = encoding.decode(value, request, || object.pointer("body"), mistakes)?;
            Some((bytes, Some(encoding.content_type())))
        }
        None if object.get("bodyEncoding").is_some() => {
            mistakes.add(object.pointer("body"), "is required with bodyEncoding");
            None
        }
        None => Some((Bytes::new(), None)),
    }
}
