//! A whole relay on this machine, and the command line beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use relay_local::lambda::OutputStyle;
use relay_local::stack::{DataFolder, Hosting, Stack, StackOptions};
use relay_local::template::Template;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::function;
use crate::receiver::Receiver;

/// Long enough for anything that happens without waiting for a clock, on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long any one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// A whole relay.
pub(crate) struct Relay {
    pub(crate) receiver: Receiver,
    stack: Stack,
    http: reqwest::Client,
    _folder: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("it ended by itself");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Every line of the output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}"));
        self.out.lines().map(parse).collect()
    }

    /// The totals, which are the last line.
    pub(crate) fn totals(&self) -> Value {
        self.json().last().unwrap_or_else(|| panic!("{self:?}"))["totals"].clone()
    }
}

impl Relay {
    /// One in which a message of any kind dies of its first failure and nothing waits for a batch to fill.
    pub(crate) async fn start(parameters: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start().await;
        let setting = |(name, value): (&str, String)| (name.to_owned(), value);
        let settings = [
            // Every port: the relay's own health check is a target too.
            ("DESTINATION_ALLOW", "127.0.0.1".to_owned()),
            ("RETRY_ATTEMPTS_MAX", "1".to_owned()),
            // A key that was revoked is soon known as such.
            ("AUTHENTICATION_CACHE_SECONDS", "1".to_owned()),
        ];
        let template = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));
        let given = [("BatchWindowSeconds", "0")];
        let parameters = given.iter().chain(parameters);
        let stack = Stack::start(StackOptions {
            port: 0,
            receiver_port: 0,
            data_folder: DataFolder::temporary().unwrap(),
            template: Template::read(template).unwrap(),
            template_origin: template.display().to_string(),
            parameters: parameters
                .map(|(name, value)| setting((name, (*value).to_owned())))
                .collect(),
            hosting: Hosting {
                program: Some(function::program(folder.path())),
                settings: settings.map(setting).into_iter().collect(),
                detour: None,
                output: OutputStyle::Hidden,
            },
        });
        let stack = stack.await.unwrap();
        let key = format!("Bearer {}", stack.api_key().unwrap());
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&key).unwrap())]);
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy();
        let http = http.default_headers(headers);
        Self { receiver, stack, http: http.build().unwrap(), _folder: folder }
    }

    /// A message to a path of the receiver.
    fn message(&self, name: &str, path: &str) -> Value {
        json!({
            "messageId": name, "senderId": "tests", "body": {"n": name},
            "targetUrl": format!("{}{path}", self.receiver.url()),
        })
    }

    /// Posts a message to a path of the receiver; the relay's id of it.
    pub(crate) async fn accept(&self, name: &str, path: &str) -> String {
        let message = self.message(name, path);
        let request = self.http.post(format!("{}/message", self.stack.url())).json(&message);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let answer: Value = answer.json().await.unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Posts so many messages.
    pub(crate) async fn accept_many(&self, name: &str, path: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.accept(&format!("{name}-{number}"), path).await);
        }
        ids
    }

    /// Posts so many messages, as many as may be in one request.
    pub(crate) async fn accept_in_bulk(&self, name: &str, path: &str, count: usize) -> Vec<String> {
        let messages: Vec<Value> =
            (0..count).map(|number| self.message(&format!("{name}-{number}"), path)).collect();
        let url = format!("{}/v1/messages/bulk", self.stack.url());
        let request = self.http.post(url).json(&json!({ "messages": messages }));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["accepted"], count, "{answer}");
        let results = answer["results"].as_array().unwrap();
        results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
    }

    /// How a message stands.
    pub(crate) async fn show(&self, id: &str) -> Value {
        let url = format!("{}/v1/messages/{id}", self.stack.url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Asks a path of the API for something; its status and answer.
    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        let answer = self.http.post(format!("{}{path}", self.stack.url())).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Waits until every one of these has this status in this generation.
    pub(crate) async fn all_are(&self, ids: &[String], status: &str, generation: u32) {
        for id in ids {
            let mut shown = Value::Null;
            let is_there = async || {
                shown = self.show(id).await;
                shown["status"] == status && shown["generation"] == generation
            };
            assert!(within_soon(is_there).await, "not {status} {generation}: {shown}");
        }
    }

    /// The actions that each caller asked the services for, by its access key id.
    pub(crate) async fn calls(&self) -> BTreeMap<String, BTreeSet<String>> {
        let url = format!("{}/_local/calls", self.stack.url());
        let calls: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let mut by_caller = BTreeMap::<String, BTreeSet<String>>::new();
        for call in calls.as_array().unwrap() {
            let text = |field: &str| call[field].as_str().unwrap().to_owned();
            by_caller.entry(text("caller")).or_default().insert(text("action"));
        }
        by_caller
    }

    /// The command line with the file that the relay has written.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.env_clear().args(arguments);
        command.arg("--env-file").arg(self.stack.environment_file());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command line to its end.
    pub(crate) async fn relay(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output());
        Said::of(output.await.unwrap().unwrap())
    }

    /// Runs the command line to its end with a text on its standard input.
    pub(crate) async fn relay_reading(&self, arguments: &[&str], text: &str) -> Said {
        let mut command = self.command(arguments);
        let text = text.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        });
        Said::of(output.await.unwrap())
    }

    /// Runs the command line and presses Ctrl-C once the first message is told of.
    pub(crate) async fn interrupted(&self, arguments: &[&str]) -> Said {
        interrupted(self.command(arguments), || ()).await
    }

    /// Where it keeps its data.
    pub(crate) fn data_folder(&self) -> &Path {
        self.stack.environment_file().parent().unwrap()
    }

    /// The variables in the file.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.stack.environment_file()).unwrap();
        let exports = text.lines().filter_map(|line| line.strip_prefix("export "));
        let pairs = exports.filter_map(|export| export.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
    }
}

/// Runs a command and presses Ctrl-C once it has told of the first message. What is to happen when it has noted that,
/// happens then.
pub(crate) async fn interrupted(
    mut command: Command,
    when_noted: impl FnOnce() + Send + 'static,
) -> Said {
    let interrupted = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let (mut said, mut noted) = (String::new(), String::new());
        out.read_line(&mut said).unwrap();
        let kill = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
        assert!(kill.unwrap().success());
        err.read_line(&mut noted).unwrap();
        when_noted();
        out.read_to_string(&mut said).unwrap();
        err.read_to_string(&mut noted).unwrap();
        let output = child.wait_with_output().unwrap();
        Output { stdout: said.into_bytes(), stderr: noted.into_bytes(), ..output }
    });
    Said::of(interrupted.await.unwrap())
}

/// Asks until the answer is yes, or too much time has gone by.
pub(crate) async fn within_soon(mut look: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        if look().await {
            return true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    false
}
