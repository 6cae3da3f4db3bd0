//! The headers a client may ask to have sent to its target, checked once when the message is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// Most headers in one message. Receivers' own limits begin near 100, and the relay adds nine.
pub const HEADERS_MAX: usize = 50;
/// Longest header name, in bytes.
pub const HEADER_NAME_BYTES_MAX: usize = 128;
/// Longest header value, in bytes: half of what common servers take for one line.
pub const HEADER_VALUE_BYTES_MAX: usize = 4096;
/// All names and values together, in bytes: common servers refuse more than 16 KiB of headers.
pub const HEADERS_BYTES_MAX: usize = 12 * 1024;

/// Headers that belong to one connection (RFC 9110 section 7.6.1) or that frame the request: the
/// relay writes them itself, and a client's copy could smuggle a second request.
const OF_THE_CONNECTION: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// Further names that only the relay sets.
const OF_THE_RELAY: [&str; 2] = ["trailer", "x-correlation-id"];
/// Everything the Standard Webhooks scheme names, now or later.
const OF_THE_RELAY_PREFIX: &str = "webhook-";

/// What is wrong with one header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is empty, too long, or holds a character that RFC 9110 does not allow in a name.
    #[error("name must be 1 to {HEADER_NAME_BYTES_MAX} characters of an HTTP token")]
    Name,
    /// The value holds a control character or one outside ASCII, or begins or ends with white space.
    #[error("value must be visible ASCII, spaces and tabs, without white space at either end")]
    Value,
    /// The value is too long.
    #[error("value is longer than {HEADER_VALUE_BYTES_MAX} bytes")]
    ValueTooLong,
    /// The name is one that only the relay or the connection sets.
    #[error("is set by the relay or the connection and cannot be chosen")]
    Reserved,
    /// The name occurs twice; upper and lower case are one name.
    #[error("is given more than once (upper and lower case are one name)")]
    Twice,
    /// There are too many headers.
    #[error("has more than {HEADERS_MAX} headers")]
    TooMany,
    /// All together are too large.
    #[error("has more than {HEADERS_BYTES_MAX} bytes of headers")]
    TooLarge,
}

/// Checked headers: lower-case names, sorted, each once. Copies share them.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Headers(Arc<BTreeMap<String, String>>);

impl From<BTreeMap<String, String>> for Headers {
    fn from(headers: BTreeMap<String, String>) -> Self {
        Self(Arc::new(headers))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Values may be credentials of the target: only names are shown.
impl std::fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Headers {
    /// Takes the pairs if every one may be sent.
    ///
    /// # Errors
    /// Every mistake at once, each with the name it concerns (none for the headers as a whole).
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<(Option<String>, HeaderError)>> {
        let mut headers = BTreeMap::new();
        let mut mistakes = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        for (name, value) in pairs {
            count += 1;
            bytes += name.len() + value.len();
            let lower = name.to_ascii_lowercase();
            match check(&lower, value) {
                Err(mistake) => mistakes.push((Some(name.to_owned()), mistake)),
                Ok(()) if headers.insert(lower, value.to_owned()).is_some() => {
                    mistakes.push((Some(name.to_owned()), HeaderError::Twice));
                }
                Ok(()) => {}
            }
        }
        if count > HEADERS_MAX {
            mistakes.push((None, HeaderError::TooMany));
        }
        if bytes > HEADERS_BYTES_MAX {
            mistakes.push((None, HeaderError::TooLarge));
        }
        if mistakes.is_empty() { Ok(headers.into()) } else { Err(mistakes) }
    }

    /// The same headers with a content type, unless the client chose one.
    #[must_use]
    pub fn with_default_content_type(mut self, content_type: &str) -> Self {
        if !self.0.contains_key("content-type") {
            let headers = Arc::make_mut(&mut self.0);
            headers.insert("content-type".to_owned(), content_type.to_owned());
        }
        self
    }

    /// The pairs, names in lower case and sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the header with this lower-case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn check(lower_name: &str, value: &str) -> Result<(), HeaderError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if lower_name.is_empty()
        || lower_name.len() > HEADER_NAME_BYTES_MAX
        || !lower_name.bytes().all(token)
    {
        return Err(HeaderError::Name);
    }
    if OF_THE_CONNECTION.contains(&lower_name)
        || OF_THE_RELAY.contains(&lower_name)
        || lower_name.starts_with(OF_THE_RELAY_PREFIX)
    {
        return Err(HeaderError::Reserved);
    }
    if value.len() > HEADER_VALUE_BYTES_MAX {
        return Err(HeaderError::ValueTooLong);
    }
    let sendable = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
    if !value.bytes().all(sendable) || value.trim_matches([' ', '\t']) != value {
        return Err(HeaderError::Value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn mistakes(pairs: &[(&str, &str)]) -> Vec<HeaderError> {
        let found = Headers::parse(pairs.iter().copied()).err().unwrap_or_default();
        found.into_iter().map(|(_, mistake)| mistake).collect()
    }

    #[test]
    fn names_are_kept_in_lower_case_and_in_order() {
        let headers = Headers::parse([("X-B", "2"), ("X-A", "1 \t1")]).unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("x-a", "1 \t1"), ("x-b", "2")]);
    }

    #[test]
    fn every_mistake_is_told() {
        assert_eq!(
            mistakes(&[("Bad Name", "x"), ("Host", "x"), ("X", "a\r\nb"), ("X-Y", "ü")]),
            [HeaderError::Name, HeaderError::Reserved, HeaderError::Value, HeaderError::Value]
        );
    }

    #[test]
    fn what_frames_the_request_or_signs_it_is_refused() {
        for name in OF_THE_CONNECTION.into_iter().chain(OF_THE_RELAY) {
            assert_eq!(mistakes(&[(name, "x")]), [HeaderError::Reserved], "{name}");
        }
        assert_eq!(mistakes(&[("Webhook-Signature", "v1,x")]), [HeaderError::Reserved]);
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let names: Vec<String> = (0..=HEADERS_MAX).map(|number| format!("x-{number}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert_eq!(mistakes(&pairs[..HEADERS_MAX]), []);
        assert_eq!(mistakes(&pairs), [HeaderError::TooMany]);
        let full = "v".repeat(HEADER_VALUE_BYTES_MAX);
        assert_eq!(mistakes(&[("a", &full)]), []);
        assert_eq!(mistakes(&[("a", &format!("{full}v"))]), [HeaderError::ValueTooLong]);
        assert_eq!(mistakes(&[("a", &full), ("b", &full), ("c", &full)]), [HeaderError::TooLarge]);
    }

    #[test]
    fn upper_and_lower_case_are_one_name() {
        assert_eq!(mistakes(&[("X-A", "1"), ("x-a", "2")]), [HeaderError::Twice]);
    }

    #[test]
    fn values_are_not_shown() {
        let headers = Headers::parse([("Authorization", "Bearer secret")]).unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"authorization"}"#);
    }
}
