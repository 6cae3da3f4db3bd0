//! Queues as such: made, found, set, listed, purged, deleted.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::harness::{Bench, code, fresh_name};

#[tokio::test]
async fn a_queue_is_made_once_and_found_by_name() {
    let bench = Bench::start().await;
    let name = fresh_name();
    let make = |timeout: &str| {
        bench
            .client
            .create_queue()
            .queue_name(&name)
            .attributes(QueueAttributeName::VisibilityTimeout, timeout)
            .send()
    };
    let url = make("45").await.unwrap().queue_url.unwrap();
    assert!(url.ends_with(&format!("/000000000000/{name}")), "{url}");
    assert_eq!(make("45").await.unwrap().queue_url.unwrap(), url);
    assert_eq!(code(&make("46").await), "QueueAlreadyExists");
    let found = bench.client.get_queue_url().queue_name(&name).send().await.unwrap();
    assert_eq!(found.queue_url.unwrap(), url);
    assert_eq!(bench.attributes(&url).await["QueueArn"], bench.arn(&url));
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_refused_by_every_operation() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await.replace("conformance", "absent");
    let absent = "AWS.SimpleQueueService.NonExistentQueue";
    let client = &bench.client;
    let name = url.rsplit('/').next().unwrap();
    assert_eq!(code(&client.get_queue_url().queue_name(name).send().await), absent);
    assert_eq!(code(&client.get_queue_attributes().queue_url(&url).send().await), absent);
    assert_eq!(code(&client.purge_queue().queue_url(&url).send().await), absent);
    assert_eq!(code(&client.delete_queue().queue_url(&url).send().await), absent);
    assert_eq!(code(&bench.receiving(&url).send().await), absent);
    let send = client.send_message().queue_url(&url).message_body("x").send().await;
    assert_eq!(code(&send), absent);
}

#[tokio::test]
async fn odd_names_and_attributes_are_refused() {
    let bench = Bench::start().await;
    let client = &bench.client;
    for name in ["has space", "dotted.name", &"x".repeat(81)] {
        let made = client.create_queue().queue_name(name).send().await;
        assert_eq!(code(&made), "InvalidParameterValue", "{name}");
    }
    for (attribute, value) in [
        (QueueAttributeName::VisibilityTimeout, "43201"),
        (QueueAttributeName::DelaySeconds, "901"),
        (QueueAttributeName::MaximumMessageSize, "1048577"),
        (QueueAttributeName::MessageRetentionPeriod, "59"),
        (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "21"),
    ] {
        let made = client.create_queue().queue_name(fresh_name()).attributes(attribute, value);
        assert_eq!(code(&made.send().await), "InvalidAttributeValue", "{value}");
    }
    let made = client
        .create_queue()
        .queue_name(fresh_name())
        .attributes(QueueAttributeName::from("Colour"), "red")
        .send()
        .await;
    assert_eq!(code(&made), "InvalidAttributeName");
}

#[tokio::test]
async fn attributes_have_defaults_and_can_be_changed() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let attributes = bench.attributes(&url).await;
    for (name, value) in [
        ("VisibilityTimeout", "30"),
        ("DelaySeconds", "0"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    bench
        .client
        .set_queue_attributes()
        .queue_url(&url)
        .attributes(QueueAttributeName::DelaySeconds, "7")
        .send()
        .await
        .unwrap();
    let attributes = bench.attributes(&url).await;
    assert_eq!((&*attributes["DelaySeconds"], &*attributes["VisibilityTimeout"]), ("7", "30"));
    let asked = bench
        .client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::DelaySeconds)
        .send()
        .await
        .unwrap();
    assert_eq!(asked.attributes.unwrap().len(), 1);
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_in_pages() {
    let bench = Bench::start().await;
    let prefix = fresh_name();
    for suffix in ["-a", "-b", "-c"] {
        let name = format!("{prefix}{suffix}");
        bench.client.create_queue().queue_name(name).send().await.unwrap();
    }
    let list = || bench.client.list_queues().queue_name_prefix(format!("{prefix}-"));
    assert_eq!(list().send().await.unwrap().queue_urls.unwrap().len(), 3);
    let first = list().max_results(2).send().await.unwrap();
    assert_eq!(first.queue_urls().len(), 2);
    let rest = list().max_results(2).next_token(first.next_token.unwrap()).send().await.unwrap();
    assert_eq!(rest.queue_urls().len(), 1);
    assert_eq!(rest.next_token, None);
}

#[tokio::test]
async fn a_purge_empties_the_queue_and_not_twice_in_a_minute() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    for body in ["a", "b"] {
        bench.send(&url, body).await;
    }
    bench.client.purge_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
    let again = bench.client.purge_queue().queue_url(&url).send().await;
    assert_eq!(code(&again), "AWS.SimpleQueueService.PurgeQueueInProgress");
    if bench.own.is_some() {
        bench.advance_seconds(60);
        bench.client.purge_queue().queue_url(&url).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_messages() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    bench.client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = bench.client.get_queue_attributes().queue_url(&url).send().await;
    assert_eq!(code(&gone), "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test]
async fn a_declared_queue_takes_on_what_is_declared_and_keeps_its_messages() {
    let Some(bench) = Bench::start_own_or_skip("declares a queue in-process").await else { return };
    let server = &bench.own().server;
    let declare = |timeout: &str| {
        let timeout = ("VisibilityTimeout".to_owned(), timeout.to_owned());
        server.create_queue("declared", BTreeMap::from([timeout]))
    };
    let address = declare("10").await.unwrap();
    bench.send(&address.url, "kept").await;
    assert_eq!(declare("10").await.unwrap(), address);
    assert_eq!(declare("20").await.unwrap(), address);
    assert_eq!(bench.attributes(&address.url).await["VisibilityTimeout"], "20");
    assert_eq!(bench.receive_one(&address.url).await.body(), Some("kept"));
    assert_eq!(address.arn, "arn:aws:sqs:us-east-1:000000000000:declared");
}
