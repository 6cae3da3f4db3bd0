//! What crashes leave behind between records and queues is put right by the reconciler, and what a lost queue
//! leaves behind by an operator who recovers.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;
use relay_aws::{
    Clients, DynamoLedger, DynamoStore, Endpoints, S3Payloads, SqsQueue, SystemAmbient,
};
use relay_core::settings::Fairness;
use relay_operate::recover::RecoverOutcome;
use relay_operate::{Recover, RecoverOptions, SetGoing, Stop};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;

use crate::support::{
    Client, Launch, Queues, Records, SOON, Stack, message, number, template_with, text, until,
};

/// Long ago, in milliseconds: whatever waits for a time to pass, or for somebody else to go on, is over.
const LONG_AGO: u64 = 1;

fn launch(name: &str) -> Launch {
    Launch::new(name)
        .parameter("BatchWindowSeconds", "0")
        .parameter("BreakerFailuresMax", "0")
        .setting("RETRY_ATTEMPTS_MAX", "2")
        .setting("RETRY_BASE_SECONDS", "0.1")
}

async fn delivered_in_generation_one(client: &Client, id: &str) {
    until("DELIVERED in generation 1", SOON, async || {
        let shown = client.show(id).await;
        (shown["status"] == "DELIVERED" && shown["generation"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn f21_f42_a_message_that_the_queue_gave_up_is_dead_and_can_be_redriven() {
    // The queue gives a message up at its second receive: one failed attempt, and it is gone.
    let template = template_with(&[("maxReceiveCount: 1000", "maxReceiveCount: 1")]);
    let stack = launch("given-up").template(&template).start();
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let sent = message("given-up", &stack.target("/demo/flaky/1"));
    let id = client.accept(&sent).await;
    until("a letter that the queue moved", SOON, async || {
        let waits = client.show(&id).await["status"] == "RETRYING";
        (waits && queues.dead_letter_count().await == 1).then_some(())
    })
    .await;
    // Its attempt was due a moment ago: a worker may be about to make it.
    let report = client.reconcile().await;
    assert_eq!((&report["letters_judged"], &report["given_up"]), (&json!(1), &json!(0)));
    Records::of(&stack).change_state(&id, &[("not_before", number(LONG_AGO))], &[]).await;
    let report = client.reconcile().await;
    assert_eq!((&report["given_up"], &report["removed"]), (&json!(1), &json!(1)), "{report}");
    let shown = client.show(&id).await;
    assert_eq!((&shown["status"], &shown["generation"]), (&json!("DEAD"), &json!(0)), "{shown}");
    assert!(shown.to_string().contains("receive_count_exceeded"), "{shown}");
    assert_eq!(queues.dead_letter_count().await, 1);
    let letter = queues.dead_letter("reason", "receive_count_exceeded").await;
    assert_eq!(letter.attributes["deadLetter"], "0");
    assert_eq!(letter.attributes["messageId"], sent["messageId"].as_str().unwrap());
    queues.redrive().await;
    delivered_in_generation_one(&client, &id).await;
    assert_eq!(client.received(&id).await.len(), 2);
}

#[tokio::test]
async fn f20_a_message_that_died_without_a_letter_gets_one() {
    let stack = launch("unburied").start();
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let id = client.accept(&message("unburied", &stack.target("/demo/status/404"))).await;
    assert_eq!(client.finished(&id).await["status"], "DEAD");
    let proper = queues.dead_letter("reason", "rejected").await;
    // As if the worker had died between the record and the queue.
    queues.forget_dead_letters().await;
    let unburied = [
        ("buried", aws_sdk_dynamodb::types::AttributeValue::Bool(false)),
        ("dead_at", number(LONG_AGO)),
        ("updated_at", number(LONG_AGO)),
    ];
    Records::of(&stack).change_state(&id, &unburied, &[]).await;
    assert_eq!(client.reconcile().await["buried"], 1);
    let letter = queues.dead_letter("reason", "rejected").await;
    assert_eq!(letter.attributes, proper.attributes, "the same again");
    // All but the trace of the request, which is not in the record.
    let [made, proper] = [letter.text, proper.text].map(|text| {
        let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
        fields.retain(|name, _| !["traceparent", "tracestate", "xrayTrace"].contains(&&**name));
        serde_json::to_string(&fields).unwrap()
    });
    assert_eq!(made, proper, "the same again");
    let report = client.reconcile().await;
    let done = ["entries_seen", "buried", "noted", "removed", "failed"];
    assert!(done.iter().all(|name| report[name] == 0), "nothing is left to do: {report}");
    assert_eq!(queues.dead_letter_count().await, 1);
}

#[tokio::test]
async fn f22_a_redrive_that_stopped_half_way_is_delivered() {
    let stack = launch("stopped").start();
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let id = client.accept(&message("stopped", &stack.target("/demo/flaky/2"))).await;
    assert_eq!(client.finished(&id).await["status"], "DEAD");
    queues.dead_letter("deadLetter", "0").await;
    // As if whoever redrove it had died before the queue heard of it.
    let pending = [
        ("status", text("PENDING")),
        ("generation", number(1)),
        ("attempts", number(0)),
        ("updated_at", number(LONG_AGO)),
        ("dead_at", number(LONG_AGO)),
    ];
    Records::of(&stack).change_state(&id, &pending, &["reason", "buried"]).await;
    let report = client.reconcile().await;
    assert_eq!((&report["sent"], &report["removed"]), (&json!(1), &json!(1)), "{report}");
    delivered_in_generation_one(&client, &id).await;
    assert_eq!(client.received(&id).await.len(), 3);
    assert_eq!(queues.dead_letter_count().await, 0, "the letter of the generation before is gone");
}

/// Who recovers, as the command line puts it together.
async fn recover_of(stack: &Stack) -> Recover {
    let variable = |name: &str| stack.environment[name].clone();
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION")))
        .credentials_provider(Credentials::new(id, secret, None, None, "env file"));
    let endpoints = Endpoints::read(&|name| stack.environment.get(name).cloned());
    let clients = Clients::load(loader, endpoints).await;
    let table = variable("DYNAMODB_TABLE");
    let queue = SqsQueue::new(&clients, variable("SQS_QUEUE_URL"), None, Fairness::Off);
    Recover {
        ledger: Arc::new(DynamoLedger::new(&clients, table.clone())),
        going: SetGoing {
            store: Arc::new(DynamoStore::new(&clients, table)),
            queue: Arc::new(queue),
            payloads: Arc::new(S3Payloads::new(&clients, variable("S3_BUCKET"))),
            ambient: Arc::new(SystemAmbient),
        },
        stop: Stop::default(),
    }
}

#[tokio::test]
async fn f43_messages_of_a_queue_that_was_purged_are_delivered_after_all() {
    // Long enough that nothing is under way when the queue is purged.
    let stack = launch("purged").setting("RETRY_BASE_SECONDS", "600").start();
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let over = client.accept(&message("over", &stack.target("/demo/ok"))).await;
    client.finished(&over).await;
    let mut lost = Vec::new();
    for _ in 0..3 {
        lost.push(client.accept(&message("lost", &stack.target("/demo/flaky/1"))).await);
    }
    for id in &lost {
        until("RETRYING", SOON, async || {
            (client.show(id).await["status"] == "RETRYING").then_some(())
        })
        .await;
        Records::of(&stack).change_state(id, &[("not_before", number(LONG_AGO))], &[]).await;
    }
    queues.purge().await;

    let recover = recover_of(&stack).await;
    let hour = Duration::from_secs(3600);
    let mut options = RecoverOptions { older_than: hour, dry_run: true, per_second: None };
    let mut told = Vec::new();
    recover.recover(&options, &mut |one| told.push(one.outcome)).await.unwrap();
    assert_eq!(told, vec![RecoverOutcome::Counted; 3]);
    queues.drained().await;
    options.dry_run = false;
    told.clear();
    recover.recover(&options, &mut |one| told.push(one.outcome)).await.unwrap();
    assert_eq!(told, vec![RecoverOutcome::Sent; 3]);
    for id in &lost {
        let shown = client.finished(id).await;
        assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(2)));
    }
    assert_eq!(client.received(&over).await.len(), 1);
}
