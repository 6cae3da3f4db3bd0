//! Messages whose queue items are lost are found and sent again.

use serde_json::json;

use crate::queue::Queue;
use crate::stack::{Relay, within_soon};

/// More than the worker takes at once, so that most wait in the queue.
const MESSAGES: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn f43_messages_of_a_purged_queue_are_recovered_and_delivered_once() {
    let relay = Relay::start(&[("MaximumConcurrency", "2"), ("BatchSize", "1")]).await;
    let queue = Queue::of(&relay.variables());
    let ids = relay.accept_many("waits", "/waits", MESSAGES).await;
    assert!(within_soon(async || relay.receiver.all_calls() >= 2).await, "none is on its way");
    queue.purge().await;
    relay.receiver.mend();
    let is_settled = async || {
        let mut settled = queue.is_empty().await;
        for id in &ids {
            settled &= relay.show(id).await["status"] != "PROCESSING";
        }
        settled
    };
    assert!(within_soon(is_settled).await, "some are still on their way");
    let mut lost = Vec::new();
    for id in &ids {
        if relay.show(id).await["status"] == "QUEUED" {
            lost.push(id.clone());
        }
    }
    assert!(lost.len() > MESSAGES / 2, "the purge took too few: {lost:?}");

    let too_young = relay.relay(&["recover"]).await;
    assert_eq!((too_young.code, too_young.out.as_str()), (0, "0 sent to the queue\n"));
    let counts_all = async || {
        let said = relay.relay(&["recover", "--older-than", "1s", "--dry-run", "--json"]).await;
        said.totals()["counted"] == lost.len()
    };
    assert!(within_soon(counts_all).await, "not all are found");
    let said = relay.relay(&["recover", "--older-than", "1s", "--rate", "50", "--json"]).await;
    assert_eq!((said.code, &said.totals()["sent"]), (0, &json!(lost.len())), "{said:?}");
    relay.all_are(&ids, "DELIVERED", 0).await;
    for id in &ids {
        assert_eq!(relay.receiver.calls(id), 1, "{id}");
    }
    let nothing = relay.relay(&["recover", "--older-than", "0s"]).await;
    assert_eq!((nothing.code, nothing.out.as_str()), (0, "0 sent to the queue\n"));
}
