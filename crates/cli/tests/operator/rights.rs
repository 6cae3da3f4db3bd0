//! The rights that docs/CLI.md says each command needs, against the calls that it makes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use crate::stack::{Relay, Said, within_soon};

/// Messages that keep the worker busy, and some that wait behind them.
const WAITING: usize = 6;
/// Messages that the worker of this test takes at once.
const AT_ONCE: usize = 2;

/// The actions in the table of rights, by the command that they are for.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CLI.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| command | on the table and its indexes |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut documented = BTreeMap::new();
    for row in rows {
        let quoted: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let (actions, commands): (Vec<&str>, Vec<&str>) =
            quoted.into_iter().partition(|quoted| quoted.contains(':'));
        let actions: BTreeSet<String> = actions.into_iter().map(str::to_owned).collect();
        for command in commands {
            documented.insert(command.to_owned(), actions.clone());
        }
    }
    documented
}

/// Runs the command with keys by which its calls are known.
async fn run(relay: &Relay, command: &str, arguments: &[&str]) -> Said {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (name, value) in relay.variables() {
        let value = if name == "AWS_ACCESS_KEY_ID" { &command.to_uppercase() } else { &value };
        writeln!(file, "{name}='{value}'").unwrap();
    }
    let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_relay"));
    process.env_clear().args(arguments).arg("--env-file").arg(file.path());
    let output = tokio::task::spawn_blocking(move || process.output()).await.unwrap().unwrap();
    Said::of(output)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_needs_the_rights_that_are_documented_and_no_others() {
    let relay = Relay::start(&[("MaximumConcurrency", "2"), ("BatchSize", "1")]).await;
    let dead = relay.accept_many("dead", "/gone", 2).await;
    relay.all_are(&dead, "DEAD", 0).await;
    let waiting = relay.accept_many("waits", "/waits", WAITING).await;
    let is_busy = async || relay.receiver.all_calls() == dead.len() + AT_ONCE;
    assert!(within_soon(is_busy).await, "the worker is not busy");

    // What is set going waits behind the others, in its next generation.
    for (command, arguments) in [
        ("dead", &["dead", "list"][..]),
        ("dead", &["dead", "show", &dead[0]]),
        ("redrive", &["redrive", "--reason", "gone", "--until", "2126-01-01T00:00:00Z"]),
        ("recover", &["recover", "--older-than", "0s"]),
    ] {
        let said = run(&relay, command, arguments).await;
        assert_eq!(said.code, 0, "{arguments:?} {said:?}");
    }
    for arguments in [
        &["keys", "create", "--name", "a", "--sender", "*", "--scope", "send", "--json"][..],
        &["keys", "list"],
    ] {
        let said = run(&relay, "keys", arguments).await;
        assert_eq!(said.code, 0, "{arguments:?} {said:?}");
        if let Ok(made) = serde_json::from_str::<serde_json::Value>(&said.out) {
            for command in ["show", "rotate", "revoke"] {
                let arguments = ["keys", command, made["id"].as_str().unwrap()];
                let said = run(&relay, "keys", &arguments).await;
                assert_eq!(said.code, 0, "{arguments:?} {said:?}");
            }
        }
    }
    relay.receiver.mend();
    relay.all_are(&waiting, "DELIVERED", 0).await;
    relay.all_are(&dead, "DELIVERED", 1).await;
    let said = run(&relay, "resend", &["resend", &dead[0]]).await;
    assert_eq!(said.code, 0, "{said:?}");

    let documented = documented();
    let calls = relay.calls().await;
    for command in ["dead", "redrive", "resend", "recover", "keys"] {
        let made = calls.get(&command.to_uppercase()).cloned().unwrap_or_default();
        assert_eq!(made, documented[command], "{command}");
    }
}
