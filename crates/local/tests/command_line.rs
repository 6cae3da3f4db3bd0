//! The executable as a person meets it: what it prints, how it refuses to start, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest that a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn relay(data_folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-local"));
    command.args(["--port", "0", "--receiver-port", "0", "--parameter", "BatchWindowSeconds=0"]);
    command.process_group(0);
    command.arg("--data-dir").arg(data_folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A started relay, killed at the end of its test if it still runs.
struct Running {
    child: Child,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(data_folder: &Path) -> Self {
        let mut child = relay(data_folder).stderr(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, first_line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            let _ = sender.send(line);
        });
        let line = first_line.recv_timeout(PATIENCE).expect("it did not get ready");
        let url = line.strip_prefix("relay ready on ").expect(&line).trim_end().to_owned();
        assert_eq!(line, format!("relay ready on {url}\n"));
        Self { child, url }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it did not end");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Process ids of its functions.
    fn functions(&self) -> Vec<u32> {
        let text = get(&self.url, "/_local/environments");
        let json = &text[text.find('[').unwrap()..=text.rfind(']').unwrap()];
        let list: serde_json::Value = serde_json::from_str(json).unwrap();
        let pids = list.as_array().unwrap().iter();
        pids.map(|environment| environment["pid"].as_u64().unwrap().try_into().unwrap()).collect()
    }
}

fn get(url: &str, path: &str) -> String {
    exchange(url, &format!("GET {path}"), "none", "")
}

/// The ready-made key, as it is kept for whoever may read the data folder.
fn key(data_folder: &Path) -> String {
    let file = data_folder.join("api-key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::read_to_string(file).unwrap().trim_end().to_owned()
}

fn exchange(url: &str, method_and_path: &str, key: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method_and_path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Whether a process still runs. One that has ended and that nobody has waited for does not.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:\tZ")))
}

#[track_caller]
fn check_refusal(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "nothing is ready");
    for part in parts {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[test]
fn a_second_start_on_the_same_folder_says_so_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path());
    let second = relay(folder.path()).output().unwrap();
    check_refusal(&second, &["another relay is running", folder.path().to_str().unwrap()]);
    assert!(get(&first.url, "/health").starts_with("HTTP/1.1 200"), "the first one works on");
    first.signal("-TERM");
    assert_eq!(first.exit_code(), Some(0));
}

#[test]
fn after_a_kill_nothing_is_left_running_and_the_next_start_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path());
    let functions = first.functions();
    assert_eq!(functions.len(), 3);
    first.signal("-KILL");
    assert_eq!(first.exit_code(), None, "a signal, no code");
    let began = Instant::now();
    while functions.iter().any(|pid| runs(*pid)) {
        assert!(began.elapsed() < PATIENCE, "functions outlived the stack");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let mut second = Running::start(folder.path());
    second.signal("-INT");
    assert_eq!(second.exit_code(), Some(0));
}

#[test]
fn the_file_to_source_points_at_the_running_services() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path());
    let script = ". \"$1\" && echo \"$RELAY_URL $SQS_QUEUE_URL $AWS_ENDPOINT_URL_SQS $DELIVERY_QUEUE_ARN $DEAD_LETTER_QUEUE_ARN\"";
    let file = folder.path().join("env");
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<&str> = text.split_whitespace().collect();
    let [url, queue, endpoint, delivery, dead_letter] = values[..] else { panic!("{text}") };
    assert_eq!(url, running.url);
    assert_eq!(queue, format!("{endpoint}/000000000000/relay-local-DeliveryQueue"));
    assert_eq!(delivery, "arn:aws:sqs:eu-central-2:000000000000:relay-local-DeliveryQueue");
    assert_eq!(dead_letter, "arn:aws:sqs:eu-central-2:000000000000:relay-local-DeadLetterQueue");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-local"));
    command.args(["--receiver-port", "0", "--port", &port, "--data-dir"]).arg(folder.path());
    check_refusal(&command.output().unwrap(), &[&port, "--port"]);
}

#[test]
fn a_template_that_cannot_be_honoured_is_refused_with_all_its_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let text = "Resources: {A: {Type: 'AWS::Kinesis::Stream'}, B: {Type: 'AWS::SQS::Queue', Properties: {FifoQueue: true}}}";
    std::fs::write(&template, text).unwrap();
    let output = relay(&folder.path().join("data")).arg("--template").arg(template).output();
    check_refusal(&output.unwrap(), &["AWS::Kinesis::Stream", "FifoQueue"]);
}

#[test]
fn wrong_settings_end_the_start_and_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = relay(folder.path()).env("RETRY_FACTOR", "x").env("METRICS", "y").output();
    check_refusal(&output.unwrap(), &["RETRY_FACTOR", "METRICS", "did not initialise"]);
}

#[test]
fn an_interrupt_of_the_whole_group_lets_a_delivery_finish() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path());
    let variables = std::fs::read_to_string(folder.path().join("env")).unwrap();
    let (_, rest) = variables.split_once("RELAY_RECEIVER_URL='").unwrap();
    let receiver = rest.split('\'').next().unwrap().to_owned();
    let body = format!(
        "{{\"messageId\":\"m\",\"senderId\":\"s\",\"targetUrl\":\"{receiver}/demo/slow/2s\",\"body\":1}}"
    );
    let answer = exchange(&first.url, "POST /message", &key(folder.path()), &body);
    let (_, rest) = answer.split_once("\"id\":\"").expect(&answer);
    let id = rest.split('"').next().unwrap();
    let began = Instant::now();
    while !get(&receiver, "/demo/received").contains(id) {
        assert!(began.elapsed() < PATIENCE, "the delivery did not begin");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    // As a terminal does it: the signal goes to every process of the group.
    let group = format!("-{}", first.child.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    assert_eq!(first.exit_code(), Some(0));
    let second = Running::start(folder.path());
    let path = format!("GET /v1/messages/{id}");
    let answer = exchange(&second.url, &path, &key(folder.path()), "");
    assert!(answer.contains("\"status\":\"DELIVERED\""), "{answer}");
}

/// What a relay says until it is told to end, and what it answered to somebody without a key before.
fn said(command: &mut Command) -> (String, String) {
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("relay ready on ").unwrap_or_default().to_owned();
    let mut running = Running { child, url };
    let path = "/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let answer = exchange(&running.url, &format!("GET {path}"), "", "");
    running.signal("-TERM");
    let mut said = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(running.exit_code(), Some(0), "{said}");
    (said, answer)
}

#[test]
fn the_banner_shows_the_key_that_everything_wants() {
    let folder = tempfile::tempdir().unwrap();
    let (first, answer) = said(&mut relay(folder.path()));
    let key = key(folder.path());
    // By itself, and in both lines to paste.
    assert_eq!(first.matches(&key).count(), 3, "{first}");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let (second, _) = said(&mut relay(folder.path()));
    assert_eq!(second.matches(&key).count(), 3, "the same key as before: {second}");
    let env = std::fs::read_to_string(folder.path().join("env")).unwrap();
    assert!(env.contains(&format!("export RELAY_API_KEY='{key}'\n")), "it is for the clients too");
}

#[test]
fn keys_can_be_turned_off_on_a_laptop_and_the_banner_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        relay(folder.path()).env("AUTHENTICATION", "off"),
        relay(folder.path()).args(["--parameter", "Authentication=off"]),
    ] {
        let (said, answer) = said(command);
        assert!(said.contains("nobody is asked for a key"), "{said}");
        assert_eq!(said.matches(&key(folder.path())).count(), 0, "{said}");
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

#[test]
fn a_lease_that_outlasts_the_worker_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = relay(folder.path()).env("DELIVERY_LEASE_SECONDS", "120").output().unwrap();
    check_refusal(&output, &["DELIVERY_LEASE_SECONDS is 120", "WorkerFunction", "120 s"]);
}

#[test]
fn metrics_that_would_leave_this_machine_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = relay(folder.path()).env("METRICS", "cloudwatch").output().unwrap();
    check_refusal(&output, &["METRICS is cloudwatch", "emf or off"]);
}

#[test]
fn data_that_cannot_be_read_is_named_once() {
    for (file, what, reason) in [
        ("dynamodb.sqlite", "table data", "not a valid SQLite database"),
        ("sqs.sqlite", "queue data", "not a database"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::write(&path, "no database ".repeat(1_000)).unwrap();
        let output = relay(folder.path()).output().unwrap();
        check_refusal(&output, &[what, path.to_str().unwrap(), "--data-dir"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.matches(reason).count(), 1, "{said}");
    }
}

#[test]
fn a_signal_during_the_start_ends_it_in_order() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-local"));
        command.args(["--port", "0", "--receiver-port", "0", "--ephemeral"]);
        command.env("TMPDIR", folder.path()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running { child: command.spawn().unwrap(), url: String::new() };
        let entries = || std::fs::read_dir(folder.path()).unwrap().count();
        let began = Instant::now();
        while entries() == 0 {
            assert!(began.elapsed() < PATIENCE, "the start did not begin");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        running.signal(signal);
        assert_eq!(running.exit_code(), Some(0), "{signal}");
        assert_eq!(entries(), 0, "the temporary folder is still there");
    }
}
