//! Dead letters are listed, counted, and set going again: once each, whatever interrupts it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stack::{Relay, Said};

/// Dead letters of one kind: three times what is set going at once.
const GONE: usize = 24;
/// Dead letters of another kind, which are to be left alone.
const REJECTED: usize = 3;

fn ids_of(listed: &[Value]) -> BTreeSet<String> {
    listed.iter().map(|listed| listed["id"].as_str().unwrap().to_owned()).collect()
}

async fn lists(relay: &Relay, gone: &[String], rejected: &[String]) {
    let all = relay.relay(&["dead", "list"]).await;
    let lines: Vec<&str> = all.out.lines().collect();
    assert_eq!((all.code, lines.len()), (0, 1 + GONE + REJECTED), "{all:?}");
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with(" LAST OUTCOME"), "{all:?}");
    let newest = lines[1].split_whitespace().next().unwrap();
    assert!(rejected.iter().any(|id| id == newest), "{newest} died last");
    let few = relay.relay(&["dead", "list", "--limit", "5"]).await;
    assert_eq!((few.out.lines().count(), few.err.contains("there are more")), (6, true), "{few:?}");

    let of_reason = relay.relay(&["dead", "list", "--json", "--reason", "gone"]).await.json();
    assert_eq!(ids_of(&of_reason), gone.iter().cloned().collect::<BTreeSet<_>>());
    assert_eq!((&of_reason[0]["reason"], &of_reason[0]["buried"]), (&json!("gone"), &json!(true)));
    let target = format!("{}/any/path", relay.receiver.url());
    for (flags, count) in [
        (["--destination", target.as_str()], GONE + REJECTED),
        (["--destination", "http://127.0.0.1:8081"], 0),
        (["--sender-id", "tests"], GONE + REJECTED),
        (["--sender-id", "nobody"], 0),
        (["--since", "1h"], GONE + REJECTED),
        (["--until", "2026-01-01T00:00:00Z"], 0),
        (["--from", "2126-01-01T00:00:00Z"], 0),
    ] {
        let said = relay.relay(&["dead", "list", "--json", flags[0], flags[1]]).await;
        assert_eq!((said.code, said.json().len()), (0, count), "{flags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_an_interrupted_redrive_run_again_sets_every_dead_letter_going_once() {
    let relay = Relay::start(&[]).await;
    let gone = relay.accept_many("gone", "/gone", GONE).await;
    relay.all_are(&gone, "DEAD", 0).await;
    let rejected = relay.accept_many("rejected", "/rejects", REJECTED).await;
    relay.all_are(&rejected, "DEAD", 0).await;
    lists(&relay, &gone, &rejected).await;

    let counted = relay.relay(&["redrive", "--reason", "gone", "--dry-run"]).await;
    assert_eq!((counted.code, counted.out.lines().last()), (0, Some("24 would be redriven")));
    assert!(counted.out.contains(&format!("gone   {}", relay.receiver.url())), "{counted:?}");
    relay.all_are(&gone, "DEAD", 0).await;

    relay.receiver.mend();
    let slowly = ["redrive", "--reason", "gone", "--rate", "8", "--json"];
    let interrupted = relay.interrupted(&slowly).await;
    let first = interrupted.totals();
    let sent = first["sent"].as_u64().unwrap();
    assert_eq!((interrupted.code, &first["end"]), (130, &json!("interrupted")), "{interrupted:?}");
    assert!((1..GONE as u64).contains(&sent), "some are left: {interrupted:?}");
    assert_eq!(interrupted.json().len() as u64, sent + 1, "each is told of");
    assert!(interrupted.err.contains("safe to run this again"), "{interrupted:?}");

    let again = relay.relay(&["redrive", "--reason", "gone", "--json"]).await;
    assert_eq!((again.code, again.totals()["sent"].as_u64()), (0, Some(GONE as u64 - sent)));
    let told = |said: &Said| ids_of(&said.json()[..said.json().len() - 1]);
    assert!(told(&interrupted).is_disjoint(&told(&again)), "none is set going twice");
    relay.all_are(&gone, "DELIVERED", 1).await;
    for id in &gone {
        let shown = relay.show(id).await;
        let outcomes = shown["outcomes"].as_array().unwrap();
        let told = |outcome: &Value| (outcome["generation"].clone(), outcome["status"].clone());
        let told: Vec<_> = outcomes.iter().map(told).collect();
        assert_eq!(told, [(json!(0), json!(410)), (json!(1), json!(200))], "{shown}");
        assert_eq!(relay.receiver.calls(id), 2, "one that failed and one that did not");
    }
    let nothing = relay.relay(&["redrive", "--reason", "gone"]).await;
    assert_eq!((nothing.code, nothing.out.as_str()), (0, "0 redriven\n"));
    relay.all_are(&rejected, "DEAD", 0).await;

    let told = relay.relay(&["dead", "show", &gone[0]]).await.out;
    let parts = ["DELIVERED", "generation 0\nattempt 1  ", "  410  ", "generation 1\nattempt 1  "];
    assert!(parts.iter().all(|part| told.contains(part)), "{told}");
}
