//! The key that the headers of a request bring. Whether it is known is judged elsewhere.

use http::{HeaderMap, HeaderName, header};
use relay_core::access::ApiKey;

/// The other header that may bring a key.
pub(crate) const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// How the value of `Authorization` begins, in whatever case (RFC 9110 section 11.1).
const SCHEME: &str = "bearer";

/// Why the headers bring no key. The words are for the client: it knows its own headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoKey {
    /// Neither header is there.
    #[error(
        "the request has no API key: send it as Authorization: Bearer rk_… or as X-Api-Key: rk_…"
    )]
    Missing,
    /// A header is there more than once, or is no text.
    #[error("a header that brings an API key must be there once, in visible ASCII characters")]
    Malformed,
    /// `Authorization` is for something else.
    #[error("header authorization must be Bearer and an API key")]
    NotBearer,
    /// What is there is no key.
    #[error("this is no API key of the relay; it may be mistyped or cut off")]
    NotAKey,
    /// There are two, and they differ.
    #[error("headers authorization and x-api-key bring different API keys: send one")]
    TwoKeys,
}

impl NoKey {
    /// The same in a few words, for the log.
    pub(crate) const fn cause(self) -> &'static str {
        match self {
            Self::Missing => "no key",
            Self::Malformed => "a header that is doubled or no text",
            Self::NotBearer => "an authorization header that is not Bearer",
            Self::NotAKey => "a malformed or mistyped key",
            Self::TwoKeys => "two keys",
        }
    }
}

/// The key that the headers bring. Two different ones are none: who else reads the headers might take the other. What
/// `Authorization` has for somebody else, an AWS signature or the token of an authorizer in front, does not matter beside
/// the other header.
pub(crate) fn presented(headers: &HeaderMap) -> Result<ApiKey, NoKey> {
    let bearer = single(headers, &header::AUTHORIZATION)?.map(bearer);
    let text = match (bearer, single(headers, &KEY_HEADER)?) {
        (None, None) => return Err(NoKey::Missing),
        (Some(bearer), None) => bearer?,
        (Some(Ok(one)), Some(other)) if one.starts_with(ApiKey::PREFIX) && one != other => {
            return Err(NoKey::TwoKeys);
        }
        (_, Some(text)) => text,
    };
    ApiKey::parse(text).ok_or(NoKey::NotAKey)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, NoKey> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(NoKey::Malformed);
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| NoKey::Malformed)
}

fn bearer(value: &str) -> Result<&str, NoKey> {
    let (scheme, key) = value.split_once(' ').ok_or(NoKey::NotBearer)?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(key.trim_start()).ok_or(NoKey::NotBearer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use http::HeaderValue;

    fn presented_by(headers: &[(HeaderName, &str)]) -> Result<String, NoKey> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        presented(&map).map(|key| key.reveal())
    }

    #[test]
    fn a_key_comes_in_one_of_two_headers() {
        let key = ApiKey::draw([1; 16], [[2; 16], [3; 16]]).reveal();
        let other = ApiKey::draw([1; 16], [[2; 16], [4; 16]]).reveal();
        let in_authorization = |text: &str| presented_by(&[(header::AUTHORIZATION, text)]);
        for good in [format!("Bearer {key}"), format!("bEARER   {key} ")] {
            assert_eq!(in_authorization(&good), Ok(key.clone()), "{good}");
        }
        assert_eq!(presented_by(&[(KEY_HEADER, &key)]), Ok(key.clone()));
        let bearer = format!("Bearer {key}");
        let both =
            |other: &str| presented_by(&[(header::AUTHORIZATION, &bearer), (KEY_HEADER, other)]);
        assert_eq!(both(&key), Ok(key.clone()));
        assert_eq!(both(&other), Err(NoKey::TwoKeys));
        assert_eq!(both(""), Err(NoKey::TwoKeys));
        for of_others in
            ["AWS4-HMAC-SHA256 Credential=a, Signature=b", "Bearer eyJhbGciOi", "Basic YTpi"]
        {
            let beside = presented_by(&[(header::AUTHORIZATION, of_others), (KEY_HEADER, &key)]);
            assert_eq!(beside, Ok(key.clone()), "{of_others}");
        }
        assert_eq!(presented_by(&[]), Err(NoKey::Missing));
        for (bad, expected) in [
            ("", NoKey::NotBearer),
            (&key, NoKey::NotBearer),
            ("Basic YTpi", NoKey::NotBearer),
            ("Bearer", NoKey::NotBearer),
            (&format!("Bearer {key}, Bearer {key}"), NoKey::NotAKey),
            (&format!("Bearer {key},"), NoKey::NotAKey),
            (&format!("Bearer {}", key.to_uppercase()), NoKey::NotAKey),
            ("Bearer ä", NoKey::Malformed),
        ] {
            assert_eq!(in_authorization(bad), Err(expected), "{bad}");
        }
        for name in [header::AUTHORIZATION, KEY_HEADER] {
            let doubled = presented_by(&[(name.clone(), &bearer), (name, &bearer)]);
            assert_eq!(doubled, Err(NoKey::Malformed));
        }
    }
}
