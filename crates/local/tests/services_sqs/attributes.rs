//! Message attributes and the system attributes a sender may set.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue,
};
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

use crate::harness::{Bench, code, system};

pub(crate) fn text(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
}

fn binary(value: &[u8]) -> MessageAttributeValue {
    let value = Blob::new(value);
    MessageAttributeValue::builder().data_type("Binary").binary_value(value).build().unwrap()
}

/// The digest by the documented algorithm, written down a second time: the SDK for Rust does not
/// compare it, others do. `kind` is 1 for text and 2 for bytes.
fn digest(attributes: &[(&str, &str, u8, &[u8])]) -> String {
    let with_length =
        |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let mut encoded = Vec::new();
    for (name, data_type, kind, value) in attributes {
        encoded.extend(with_length(name.as_bytes()));
        encoded.extend(with_length(data_type.as_bytes()));
        encoded.push(*kind);
        encoded.extend(with_length(value));
    }
    HEXLOWER.encode(&Md5::digest(&encoded))
}

#[tokio::test]
async fn attributes_of_every_type_come_back_with_their_digest() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let sent = bench
        .client
        .send_message()
        .queue_url(&url)
        .message_body("x")
        .message_attributes("b.bytes", binary(&[0, 255, 7]))
        .message_attributes("a-number", text("Number", "-1.5e3"))
        .message_attributes("c_text", text("String.json", "{\"ä\": 1}"))
        .send()
        .await
        .unwrap();
    let expected = digest(&[
        ("a-number", "Number", 1, b"-1.5e3"),
        ("b.bytes", "Binary", 2, &[0, 255, 7]),
        ("c_text", "String.json", 1, "{\"ä\": 1}".as_bytes()),
    ]);
    assert_eq!(sent.md5_of_message_attributes(), Some(&*expected));
    let message = bench.receive_one(&url).await;
    assert_eq!(message.md5_of_message_attributes(), Some(&*expected));
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["b.bytes"], binary(&[0, 255, 7]));
    assert_eq!(attributes["a-number"], text("Number", "-1.5e3"));
    assert_eq!(attributes["c_text"], text("String.json", "{\"ä\": 1}"));
}

#[tokio::test]
async fn a_receiver_gets_the_attributes_it_asks_for_and_the_digest_of_those() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    for (wanted, expected) in [
        (vec!["relay.a"], vec!["relay.a"]),
        (vec!["relay.*"], vec!["relay.a", "relay.b"]),
        (vec![".*"], vec!["other", "relay.a", "relay.b"]),
        (vec!["absent"], vec![]),
    ] {
        let mut send = bench.client.send_message().queue_url(&url).message_body("x");
        for name in ["relay.a", "relay.b", "other"] {
            send = send.message_attributes(name, text("String", name));
        }
        send.send().await.unwrap();
        let received = bench
            .client
            .receive_message()
            .queue_url(&url)
            .set_message_attribute_names(Some(wanted.iter().map(ToString::to_string).collect()))
            .send()
            .await
            .unwrap();
        let message = &received.messages()[0];
        let mut names: Vec<&str> = message
            .message_attributes()
            .map(|attributes| attributes.keys().map(String::as_str).collect())
            .unwrap_or_default();
        names.sort_unstable();
        assert_eq!(names, expected, "{wanted:?}");
        let parts: Vec<(&str, &str, u8, &[u8])> =
            expected.iter().map(|name| (*name, "String", 1, name.as_bytes())).collect();
        let expected_digest = (!expected.is_empty()).then(|| digest(&parts));
        assert_eq!(message.md5_of_message_attributes(), expected_digest.as_deref());
        bench.delete(&url, message).await;
    }
}

#[tokio::test]
async fn trace_header_and_group_travel_with_the_message() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace);
    let sent = bench
        .client
        .send_message()
        .queue_url(&url)
        .message_body("x")
        .message_group_id("tenant-1")
        .message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            value.build().unwrap(),
        )
        .send()
        .await
        .unwrap();
    let expected = digest(&[("AWSTraceHeader", "String", 1, trace.as_bytes())]);
    assert_eq!(sent.md5_of_message_system_attributes(), Some(&*expected));
    let message = bench.receive_one(&url).await;
    assert_eq!(system(&message, MessageSystemAttributeName::AwsTraceHeader), Some(trace));
    assert_eq!(system(&message, MessageSystemAttributeName::MessageGroupId), Some("tenant-1"));
}

#[tokio::test]
async fn odd_attributes_are_refused() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    for (name, value) in [
        ("AWS.reserved", text("String", "x")),
        (".dot", text("String", "x")),
        ("a", text("String", "")),
        ("a", text("Colour", "red")),
        ("a b", text("String", "x")),
    ] {
        let sent = bench.client.send_message().queue_url(&url).message_body("x");
        let sent = sent.message_attributes(name, value).send().await;
        assert_eq!(code(&sent), "InvalidParameterValue", "{name}");
    }
    let mut eleven = bench.client.send_message().queue_url(&url).message_body("x");
    for number in 0..11 {
        eleven = eleven.message_attributes(format!("a{number}"), text("String", "x"));
    }
    assert_eq!(code(&eleven.send().await), "InvalidParameterValue");
}
