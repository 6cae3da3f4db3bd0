//! The program itself, against the relay on this machine: a short run at a low rate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use std::process::{Command, Output};

/// Limits that a busy machine keeps, in place of those for a quiet one.
const LENIENT: &str = "accept_p99_ms=30000,end_to_end_p99_ms=60000,lag_p99_ms=10000";

fn load(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-load"));
    // A key of another relay that happens to be there must not reach the one on this machine.
    command.args(arguments).env("RELAY_API_KEY", "rk_of_another_relay").output().unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}\n{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn everything_that_was_accepted_arrives_and_the_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("run.json"), folder.path().join("run.html"));
    let files = ["--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let flags = ["duplicates", "--rate", "20", "--seconds", "3", "--threshold", LENIENT];
    let output = load(&[&flags[..], &files].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let (counts, delivery) = (&report["counts"], &report["counts"]["delivery"]);
    assert_eq!(
        (report["schema"].as_u64(), counts["offered"].as_u64()),
        (Some(1), Some(60)),
        "{report}"
    );
    assert_eq!(counts["sent"], counts["offered"], "{report}");
    // The receiver's count is the relay's: each id once, however often it was sent.
    assert!(counts["accepted_ids"].as_u64().unwrap() < 60, "some repeat an id: {report}");
    assert_eq!(delivery["delivered_ids"], counts["accepted_ids"], "{report}");
    assert_eq!(delivery["delivered_once"], counts["accepted_ids"], "{report}");
    assert_eq!(delivery["lost"], 0, "{report}");
    let taken = counts["accepted"].as_u64().unwrap() + counts["duplicates"].as_u64().unwrap();
    assert_eq!(
        (taken, report["latency_ms"]["accept"]["count"].as_u64()),
        (60, Some(60)),
        "{report}"
    );
    assert_eq!(report["latency_ms"]["end_to_end"]["count"], delivery["delivered_ids"], "{report}");
    let page = std::fs::read_to_string(html).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(page.contains("passed"));
}

#[test]
fn a_threshold_that_cannot_be_met_fails_the_run() {
    let impossible = format!("{LENIENT},accept_p99_ms=0.001");
    let output =
        load(&["steady", "--rate", "5", "--seconds", "1", "--quiet", "--threshold", &impossible]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("FAIL accept_p99_ms at most 0.001"), "{}", text(&output));
}

#[test]
fn what_cannot_be_run_is_said_before_anything_is_sent() {
    // The key is refused before anything would be sent; nobody has this address.
    let key = "rk_aeaqcaibaeaqcaib_aibaeaqcaibaeaqcaibaeaqcambqgaydambqgaydambqgaydambqgayd7nyrizy";
    for (arguments, said) in [
        (
            &["--url", "http://192.0.2.1:9", "--api-key", key, "--target", "https://a.example"][..],
            "plain http",
        ),
        (
            &[
                "--url",
                "http://127.0.0.1:9",
                "--target",
                "https://a.example",
                "--threshold",
                "lost=0",
            ],
            "--receiver",
        ),
        (&["--url", "http://127.0.0.1:9", "--receiver", "0.0.0.0:0"], "--target has to name one"),
        (&["--threshold", "lots=0"], "can have no threshold"),
        (&["--rate", "1000000000"], "1 to 100000000 messages"),
    ] {
        let output = load(&[&["steady"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(said), "{said}: {}", text(&output));
        assert!(!text(&output).contains(key), "the key is not repeated");
    }
}
