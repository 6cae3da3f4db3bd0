//! Messages named by their ids: what allows it goes again, what does not is told.

use serde_json::json;

use crate::stack::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_again_by_its_id_if_its_state_allows_it() {
    let relay = Relay::start(&[]).await;
    let delivered = relay.accept("delivered", "/ok").await;
    let dead = relay.accept("dead", "/gone").await;
    let (delivered, dead) = (vec![delivered], vec![dead]);
    relay.all_are(&delivered, "DELIVERED", 0).await;
    relay.all_are(&dead, "DEAD", 0).await;
    relay.receiver.mend();

    let unknown = format!("msg_{}", "a".repeat(32));
    let refused = relay.relay(&["redrive", &delivered[0], &unknown]).await;
    assert_eq!((refused.code, refused.out.as_str()), (3, "0 redriven, 1 refused, 1 not found\n"));
    assert!(refused.err.contains(&format!("{}: left alone: it is DELIVERED", delivered[0])));
    assert_eq!(relay.relay(&["dead", "show", &unknown]).await.code, 3);

    let counted = relay.relay(&["resend", &delivered[0], &dead[0], "--dry-run"]).await;
    assert_eq!((counted.code, counted.out.lines().last()), (0, Some("2 would be resent")));
    let named = ["resend", "delivered", "delivered", "--sender-id", "tests", "--json"];
    let resent = relay.relay(&named).await;
    assert_eq!((resent.code, &resent.totals()["sent"]), (0, &json!(1)), "{resent:?}");
    relay.all_are(&delivered, "DELIVERED", 1).await;
    assert_eq!(relay.receiver.calls(&delivered[0]), 2);

    let redriven = relay.relay(&["redrive", &dead[0]]).await;
    assert_eq!((redriven.code, redriven.out.as_str()), (0, "1 redriven\n"), "{redriven:?}");
    relay.all_are(&dead, "DELIVERED", 1).await;
    assert_eq!(relay.receiver.calls(&dead[0]), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_by_ids_goes_no_further_than_the_message_at_hand() {
    let relay = Relay::start(&[]).await;
    let ids = relay.accept_many("one", "/gone", 5).await;
    relay.all_are(&ids, "DEAD", 0).await;
    relay.receiver.mend();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let arguments = [&["redrive", "--rate", "1", "--json"], &ids[..]].concat();
    let said = relay.interrupted(&arguments).await;
    let sent = said.totals()["sent"].as_u64().unwrap();
    assert_eq!((said.code, (1..5).contains(&sent)), (130, true), "{said:?}");
    let rest = &ids[usize::try_from(sent).unwrap()..];
    for id in rest {
        assert_eq!(relay.show(id).await["status"], "DEAD", "{id}");
    }
    // What the first run did is refused, and the rest is done.
    let again = relay.relay(&[&["redrive", "--json"], &ids[..]].concat()).await;
    let totals = again.totals();
    assert_eq!((again.code, &totals["sent"]), (3, &json!(rest.len())), "{again:?}");
    assert_eq!(totals["refused"], sent);
    for id in &ids {
        relay.all_are(&[(*id).to_owned()], "DELIVERED", 1).await;
        assert_eq!(relay.receiver.calls(id), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_sets_a_message_going_too() {
    let relay = Relay::start(&[]).await;
    let ids = vec![relay.accept("dead", "/gone").await];
    relay.all_are(&ids, "DEAD", 0).await;
    relay.receiver.mend();
    let path = format!("/v1/messages/{}", ids[0]);
    let (status, answer) = relay.post(&format!("{path}/redrive")).await;
    assert_eq!((status, &answer["generation"]), (202, &json!(1)), "{answer}");
    relay.all_are(&ids, "DELIVERED", 1).await;
    let (status, answer) = relay.post(&format!("{path}/redrive")).await;
    assert_eq!((status, &answer["code"]), (409, &json!("STATE_CONFLICT")), "{answer}");
    let (status, answer) = relay.post(&format!("{path}/resend")).await;
    assert_eq!((status, &answer["generation"]), (202, &json!(2)), "{answer}");
    relay.all_are(&ids, "DELIVERED", 2).await;
    assert_eq!(relay.receiver.calls(&ids[0]), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_and_a_relay_that_is_gone_have_exit_codes_of_their_own() {
    let relay = Relay::start(&[]).await;
    for (arguments, part) in [
        (&["redrive"][..], "ids, a filter or --all"),
        (&["redrive", "--all", "msg_x"], "exclude each other"),
        (&["redrive", "msg_x"], "must be msg_"),
        (&["redrive", "--reason", "failed"], "attempts_exhausted"),
        (&["redrive", "--all", "--rate", "0"], "--rate"),
        (&["redrive", "msg_x", "--rate", "1000000001"], "from 1 to 1000"),
        (&["recover", "--rate", "1001"], "from 1 to 1000"),
        (
            &["dead", "list", "--from", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"],
            "later than --from",
        ),
        (&["resend"], "<IDS>"),
        (&["recover", "--older-than", "1w"], "2h"),
        (&["dead", "list", "--since", "1h", "--from", "2026-01-01T00:00:00Z"], "--from"),
    ] {
        let said = relay.relay(arguments).await;
        assert_eq!((said.code, said.err.contains(part)), (2, true), "{arguments:?} {said:?}");
    }
    let gone = tempfile::NamedTempFile::new().unwrap();
    let mut text = String::new();
    for (name, value) in relay.variables() {
        // Nobody listens on the discard port.
        let value = if name.starts_with("AWS_ENDPOINT") { "http://127.0.0.1:9" } else { &value };
        text.push_str(&format!("{name}='{value}'\n"));
    }
    std::fs::write(gone.path(), text).unwrap();
    for arguments in [&["dead", "list"][..], &["redrive", "--all"], &["recover"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay"));
        command.env_clear().args(arguments).arg("--env-file").arg(gone.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
    }
}
