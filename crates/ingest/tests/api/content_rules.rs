//! Every rule on the body of a submitted message, with the words in which it is told.

use expect_test::expect;

use crate::validation::check;

#[test]
fn bodies_are_read_as_they_are_said_to_be() {
    check(
        r#","body":{},"bodyEncoding":"text""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: must be a string
    "#]],
    );
    check(
        r#","body":1,"bodyEncoding":"base64""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: must be a string
    "#]],
    );
    check(
        r#","body":"YQ","bodyEncoding":"base64""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: must be base64 of the standard alphabet, with padding
    "#]],
    );
    check(
        r#","body":"Y-_=","bodyEncoding":"base64""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: must be base64 of the standard alphabet, with padding
    "#]],
    );
    check(
        r#","body":"\ud800","bodyEncoding":"text""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: must be a string of whole characters
    "#]],
    );
    check(
        r#","bodyEncoding":"text""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: is required with bodyEncoding
    "#]],
    );
    check(
        r#","bodyEncoding":"utf8","body":1"#,
        expect![[r#"
        VALIDATION_ERROR
        /bodyEncoding: must be json, text or base64
    "#]],
    );
}

#[test]
fn a_payload_stands_in_the_place_of_a_body() {
    check(
        r#","payload":{"uploadId":"upl_x"},"body":1,"bodyEncoding":"json""#,
        expect![[r#"
        VALIDATION_ERROR
        /body: cannot be given together with payload
        /bodyEncoding: cannot be given together with payload
        /payload/uploadId: must be an upload id from POST /v1/uploads
    "#]],
    );
    check(
        r#","payload":{}"#,
        expect![[r#"
        VALIDATION_ERROR
        /payload/uploadId: is required
    "#]],
    );
    check(
        r#","payload":"upl_x""#,
        expect![[r#"
        VALIDATION_ERROR
        /payload: must be a JSON object
    "#]],
    );
    check(
        r#","payload":{"uploadId":7,"sha256":"x"}"#,
        expect![[r#"
            VALIDATION_ERROR
            /payload/sha256: is not a known field; known are uploadId
            /payload/uploadId: must be a string
        "#]],
    );
}

#[test]
fn a_body_that_is_too_large_is_told_so_unless_something_worse_is() {
    let body = format!(r#","body":"{}""#, "x".repeat(999));
    check(
        &body,
        expect![[r#"
        PAYLOAD_TOO_LARGE
        /body: has 1001 bytes; the limit is 1000
    "#]],
    );
    check(
        &format!(r#"{body},"method":"TRACE""#),
        expect![[r#"
        VALIDATION_ERROR
        /method: must be POST, PUT, PATCH, DELETE or GET
        /body: has 1001 bytes; the limit is 1000
    "#]],
    );
}
