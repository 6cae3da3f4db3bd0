//! Every rule on a submitted message, with the words in which it is told.

use std::fmt::Write;

use bytes::Bytes;
use expect_test::{Expect, expect};
use relay_core::destination::{AllowList, DestinationPolicy};
use relay_ingest::submission::{Rules, Submission};

/// Reads a message of the usual fields and these.
pub(crate) fn check(fields: &str, expected: Expect) {
    let usual = r#""messageId":"m","senderId":"s","targetUrl":"https://a.example/""#;
    check_all(&format!("{{{usual}{fields}}}"), expected);
}

fn check_all(text: &str, expected: Expect) {
    expected.assert_eq(&told(text));
}

fn told(text: &str) -> String {
    let rules = Rules {
        destinations: DestinationPolicy::new(AllowList::parse("127.0.0.1:3001").unwrap(), None),
        payload_bytes_max: 1000,
    };
    match Submission::parse(&Bytes::copy_from_slice(text.as_bytes()), &rules) {
        Ok(submission) => format!("{} {}\n", submission.method.as_str(), submission.target),
        Err(mistakes) => {
            let mut told = format!("{}\n", mistakes.code().as_str());
            for mistake in mistakes.listed() {
                writeln!(told, "{}: {}", mistake.pointer, mistake.detail).unwrap();
            }
            told
        }
    }
}

#[test]
fn everything_that_is_missing_is_told() {
    check_all(
        "{}",
        expect![[r#"
            VALIDATION_ERROR
            /messageId: is required
            /senderId: is required
            /targetUrl: is required
        "#]],
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    check_all(
        r#"{"messageId":"a b","senderId":7,"targetUrl":"ftp://x/","method":"TRACE","headers":{"Host":"x","X/Y~":1},
            "timestamp":"yesterday","body":"!","bodyEncoding":"base64","extra":1,"payload":{"id":2}}"#,
        expect![[r#"
            VALIDATION_ERROR
            /extra: is not a known field; known are messageId, senderId, timestamp, targetUrl, method, headers, body, bodyEncoding, payload
            /messageId: must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ + -
            /senderId: must be a string
            /timestamp: must be an RFC 3339 date and time since 1970, such as 2026-11-21T05:00:00Z
            /targetUrl: must begin with http:// or https://
            /method: must be POST, PUT, PATCH, DELETE or GET
            /headers/X~1Y~0: must be a string
            /headers/Host: is set by the relay or the connection and cannot be chosen
            /body: cannot be given together with payload
            /bodyEncoding: cannot be given together with payload
            /payload/id: is not a known field; known are uploadId
            /payload/uploadId: is required
        "#]],
    );
    check_all(
        r#"{"messageId":"m","senderId":"s","targetUrl":"http://10.0.0.1/","bodyEncoding":"gzip","body":1}"#,
        expect![[r#"
            VALIDATION_ERROR
            /targetUrl: address 10.0.0.1 is not public and DESTINATION_ALLOW does not open it
            /bodyEncoding: must be json, text or base64
        "#]],
    );
}

#[test]
fn fields_given_twice_are_refused() {
    check(
        r#","senderId":"s","body":1,"body":2"#,
        expect![[r#"
        VALIDATION_ERROR
        /senderId: is given more than once
        /body: is given more than once
    "#]],
    );
    check(
        r#","payload":{"uploadId":"x","uploadId":"y"}"#,
        expect![[r#"
        VALIDATION_ERROR
        /payload/uploadId: is given more than once
        /payload/uploadId: must be an upload id from POST /v1/uploads
    "#]],
    );
    check(
        r#","headers":{"x-a":"1","x-a":"2"}"#,
        expect![[r#"
        VALIDATION_ERROR
        /headers/x-a: is given more than once (upper and lower case are one name)
    "#]],
    );
}

#[test]
fn null_is_a_value_and_not_an_absence() {
    check(
        r#","timestamp":null,"method":null,"headers":null,"bodyEncoding":null,"payload":null"#,
        expect![[r#"
        VALIDATION_ERROR
        /timestamp: must be a string
        /method: must be a string
        /headers: must be a JSON object
        /bodyEncoding: cannot be given together with payload
        /payload: must be a JSON object
    "#]],
    );
    check(
        r#","body":null"#,
        expect![[r#"
        POST https://a.example/
    "#]],
    );
}

#[test]
fn names_have_their_alphabets() {
    for (message, sender) in [("", ""), ("ä", "a.b"), ("a/b", "a b")] {
        let text = format!(
            r#"{{"messageId":"{message}","senderId":"{sender}","targetUrl":"https://a.example/"}}"#
        );
        let expected = "VALIDATION_ERROR
/messageId: must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ + -
/senderId: must be 1 to 64 characters of A-Z a-z 0-9 _ -
";
        assert_eq!(told(&text), expected);
    }
}

#[test]
fn targets_have_a_form() {
    for (target, expected) in [
        ("example.com", "must be an absolute URL"),
        ("https://user:pw@example.com/", "must not carry a user name or password: use a header"),
        ("http://example.com:25/", "names a port that is denied because another protocol owns it"),
    ] {
        let expected = format!("VALIDATION_ERROR\n/targetUrl: {expected}\n");
        assert_eq!(told(&to(target)), expected);
    }
    assert_eq!(told(&to("HTTPS://Example.COM")), "POST https://example.com/\n");
}

#[test]
fn targets_have_an_address_that_may_be_sent_to() {
    for (target, address) in [
        ("http://169.254.169.254/", "169.254.169.254"),
        ("http://127.0.0.1:9001/", "127.0.0.1"),
        ("http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1"),
        ("http://0x7f000001/", "127.0.0.1"),
    ] {
        let detail =
            format!("address {address} is not public and DESTINATION_ALLOW does not open it");
        let expected = format!("TARGET_REFUSED\n/targetUrl: {detail}\n");
        assert_eq!(told(&to(target)), expected);
    }
    let opened = "http://127.0.0.1:3001/demo/ok";
    assert_eq!(told(&to(opened)), format!("POST {opened}\n"));
}

fn to(target: &str) -> String {
    format!(r#"{{"messageId":"m","senderId":"s","targetUrl":"{target}"}}"#)
}

#[test]
fn methods_are_five() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        let told = format!("{method} https://a.example/\n");
        let rules = Rules { destinations: DestinationPolicy::default(), payload_bytes_max: 1000 };
        let text = format!(
            r#"{{"messageId":"m","senderId":"s","targetUrl":"https://a.example/","method":"{method}"}}"#
        );
        let read = Submission::parse(&Bytes::copy_from_slice(text.as_bytes()), &rules).unwrap();
        assert_eq!(format!("{} {}\n", read.method.as_str(), read.target), told);
    }
    check(
        r#","method":"post""#,
        expect![[r#"
        VALIDATION_ERROR
        /method: must be POST, PUT, PATCH, DELETE or GET
    "#]],
    );
}

#[test]
fn headers_are_an_object_of_strings() {
    check(
        r#","headers":[]"#,
        expect![[r#"
        VALIDATION_ERROR
        /headers: must be a JSON object
    "#]],
    );
    check(
        r#","headers":{"a":1,"b":null,"c":["x"],"d/e~f":{}}"#,
        expect![[r#"
        VALIDATION_ERROR
        /headers/a: must be a string
        /headers/b: must be a string
        /headers/c: must be a string
        /headers/d~1e~0f: must be a string
    "#]],
    );
    check(
        r#","headers":{"":"x","a b":"x","X":"a\nb","Webhook-Id":"x","X-A":"1","x-a":"2"}"#,
        expect![[r#"
        VALIDATION_ERROR
        /headers/: name must be 1 to 128 characters of an HTTP token
        /headers/a b: name must be 1 to 128 characters of an HTTP token
        /headers/X: value must be visible ASCII, spaces and tabs, without white space at either end
        /headers/Webhook-Id: is set by the relay or the connection and cannot be chosen
        /headers/x-a: is given more than once (upper and lower case are one name)
    "#]],
    );
    let many: Vec<String> = (0..51).map(|number| format!(r#""x-{number}":"v""#)).collect();
    check(
        &format!(r#","headers":{{{}}}"#, many.join(",")),
        expect![[r#"
        VALIDATION_ERROR
        /headers: has more than 50 headers
    "#]],
    );
}

#[test]
fn many_mistakes_are_counted_and_not_all_listed() {
    let fields: String = (0..100_000).map(|number| format!(",\"f{number}\":{number}")).collect();
    let text = format!(r#"{{"messageId":"m"{fields}}}"#);
    let rules = Rules { destinations: DestinationPolicy::default(), payload_bytes_max: 1000 };
    let mistakes = Submission::parse(&Bytes::copy_from_slice(text.as_bytes()), &rules).unwrap_err();
    assert_eq!((mistakes.listed().len(), mistakes.unlisted()), (50, 99_952));
}

#[test]
fn timestamps_are_kept_as_they_were_sent() {
    let rules = Rules { destinations: DestinationPolicy::default(), payload_bytes_max: 1000 };
    let read = |time: &str| {
        let text = format!(
            r#"{{"messageId":"m","senderId":"s","targetUrl":"https://a.example/","timestamp":"{time}"}}"#
        );
        Submission::parse(&Bytes::copy_from_slice(text.as_bytes()), &rules)
            .map(|read| read.timestamp)
    };
    for time in ["2026-11-21T05:00:00Z", "2026-11-21T06:00:00.000000001+01:00"] {
        assert_eq!(read(time), Ok(Some(time.to_owned())));
    }
    for time in ["2026-11-21", "1700000000", "", "2026-13-01T00:00:00Z"] {
        assert!(read(time).is_err(), "{time}");
    }
}
