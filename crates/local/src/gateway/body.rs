//! Which request bodies reach a function as text and which as base64.

use data_encoding::BASE64;

/// Types, beside `text/*`, whose bodies an HTTP API hands on as text. Forms and the types that end in
/// `+json` or `+xml` are not among them.
const TEXT_TYPES: [&str; 3] = ["application/json", "application/javascript", "application/xml"];

/// The body as it stands in an event, and whether that is base64.
pub(super) fn encode(content_type: Option<&str>, body: &[u8]) -> (String, bool) {
    match std::str::from_utf8(body) {
        Ok(text) if is_text(content_type) => (text.to_owned(), false),
        Ok(_) | Err(_) => (BASE64.encode(body), true),
    }
}

fn is_text(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return false };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
    essence.starts_with("text/") || TEXT_TYPES.contains(&essence.as_str())
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn text_stays_text_and_bytes_become_base64() {
        let check = |content_type, body: &[u8], expected: (&str, bool)| {
            let (text, is_base64) = encode(content_type, body);
            assert_eq!((text.as_str(), is_base64), expected, "{content_type:?}");
        };
        check(Some("application/json"), b"{}", ("{}", false));
        check(Some("Application/JSON; charset=utf-8"), b"{}", ("{}", false));
        check(Some("application/problem+json"), b"{}", ("e30=", true));
        check(Some("application/atom+xml"), b"<a/>", ("PGEvPg==", true));
        check(Some("application/x-www-form-urlencoded"), b"a=b", ("YT1i", true));
        check(Some("text/csv"), b"a,b", ("a,b", false));
        check(Some("application/octet-stream"), b"abc", ("YWJj", true));
        check(None, b"abc", ("YWJj", true));
        // Text that is not UTF-8 cannot stand in a JSON string.
        check(Some("text/plain"), b"\xff", ("/w==", true));
    }
}
