//! The examples of docs/SIGNATURES.md, run as they stand there, but for the address of the receiver.

use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::holder::make;
use crate::support::{Client, shared};

/// The document.
const DOCUMENT: &str = include_str!("../../../docs/SIGNATURES.md");
/// Where the examples send to.
const RECEIVER: &str = "http://127.0.0.1:3001";
/// Languages of the examples that are run, the programs they need, and how they are started. Go is not: nothing here
/// compiles it.
const LANGUAGES: [(&str, &[&str], &[&str]); 3] = [
    ("sh", &["bash", "curl", "openssl", "base64", "od"], &["bash", "-euc"]),
    ("py", &["python3"], &["python3", "-c"]),
    ("mjs", &["node"], &["node", "--input-type=module", "-e"]),
];

/// The code of the last block in this language.
fn example(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    let (_, rest) = DOCUMENT.rsplit_once(&start).expect("the document has an example");
    rest.split_once("\n```").expect("the example ends").0
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$1\"", "sh", program])
        .stdout(Stdio::null())
        .status();
    found.expect("there is a shell").success()
}

#[tokio::test]
async fn the_documented_ways_to_sign_work() {
    let stack = shared();
    let client = Client::of(stack);
    let made = make(&client, json!({ "requireSignature": true, "senders": ["billing"] })).await;
    for (language, programs, start) in LANGUAGES {
        if let Some(missing) = programs.iter().find(|program| !is_there(program)) {
            assert!(std::env::var("CI").is_err(), "{missing} is missing");
            println!("skipped: the example in {language} needs {missing}");
            continue;
        }
        let code = example(language).replace(RECEIVER, &stack.receiver_url);
        let run = |secret: &str| {
            let mut command = Command::new(start[0]);
            command.args(&start[1..]).arg(&code).env("RELAY", &stack.url);
            command.env("RELAY_API_KEY", &made.key).env("RELAY_SIGNING_SECRET", secret);
            command.stdin(Stdio::null());
            tokio::task::spawn_blocking(move || command.output().expect("it was there"))
        };
        let Output { status, stdout, stderr } = run(&made.signing_secret).await.expect("it ends");
        let (told, complained) =
            (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{language}: {told}{complained}");
        assert!(told.contains("\"QUEUED\""), "{language}: {told}{complained}");
        let wrong = run("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").await.expect("it ends");
        assert!(!wrong.status.success(), "{language}: another secret is refused");
    }
}
