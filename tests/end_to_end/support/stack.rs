//! A running stack, which ends with the test that started it, however that one ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use super::secrets::Watch;
use super::{Launch, SOON, signal, until};

/// How long a stack may take to be ready, on a machine that also compiles.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Start of the line that says so.
const READY: &str = "relay ready on ";
/// Ends the stack and removes its folder once the other end of its standard input is gone. A static is
/// never dropped, and a killed test drops nothing at all.
const GUARD: &str = "read -r word && exit 0; kill -9 \"$1\"; rm -rf -- \"$2\"";

/// A running stack.
pub(crate) struct Stack {
    /// `http://127.0.0.1:<port>` of the relay.
    pub(crate) url: String,
    /// The same of the demo receiver.
    pub(crate) receiver_url: String,
    /// The variables in the file to source.
    pub(crate) environment: BTreeMap<String, String>,
    launch: Launch,
    child: Child,
    guard: Child,
    output: Output,
    watch: Watch,
}

/// What a program has printed so far.
pub(super) type Output = Arc<Mutex<Vec<String>>>;

impl Stack {
    /// Waits for the line that the started program prints when it is ready.
    pub(super) fn when_ready(launch: Launch, mut child: Child) -> Self {
        let guard = guard(&child, &launch);
        let output = Output::default();
        let url = ready_url_of(&mut child, &output).unwrap_or_else(|| {
            let log = std::fs::read_to_string(launch.log()).unwrap_or_default();
            panic!("the stack is not ready; it said:\n{log}")
        });
        let file = std::fs::read_to_string(launch.data_folder().join("env"));
        let environment = exports(&file.expect("a ready stack has written its env file"));
        let receiver_url = environment["RELAY_RECEIVER_URL"].clone();
        let ready_made = environment.get("RELAY_API_KEY").cloned();
        let watch = Watch::of(&launch.data_folder(), ready_made);
        Self { url, receiver_url, environment, launch, child, guard, output, watch }
    }

    /// The address of something on the demo receiver, such as `/demo/ok`.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.receiver_url)
    }

    /// What the stack and its functions have said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.launch.log()).expect("the stack has a log")
    }

    /// What finds a secret in what the stack and its functions have said so far.
    pub(super) fn look_for_secrets(&self) -> impl Fn() + use<> {
        let (log, watch, output) =
            (self.launch.log(), self.watch.clone(), Arc::clone(&self.output));
        move || {
            // A log that is gone was that of a stack that was started again.
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            watch.look_through(&log.display().to_string(), &said);
            let printed = output.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
            watch.look_through("standard output", &printed);
        }
    }

    /// The ready-made API key.
    pub(crate) fn api_key(&self) -> &str {
        &self.environment["RELAY_API_KEY"]
    }

    /// The same again on the same data and ports, once this one has ended.
    pub(crate) fn again(&self) -> Launch {
        self.launch.clone().ports_of(self)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a process of ours can be killed");
        self.child.wait().expect("a killed process ends");
    }

    /// SIGTERM, and how the program ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        assert!(signal(self.child.id(), "TERM"));
        let child = &mut self.child;
        until("the end after SIGTERM", SOON, async || child.try_wait().expect("it is ours")).await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // All of it fails only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut guard) = self.guard.stdin.take() {
            let _ = guard.write_all(b"done\n");
        }
        // Before the folder goes, and after the last line of the last process.
        self.look_for_secrets()();
        let _ = self.guard.wait();
    }
}

/// The address in the line that a started program prints when it is ready; nothing if it ends before,
/// or takes too long.
pub(crate) fn ready_url(child: &mut Child) -> Option<String> {
    ready_url_of(child, &Output::default())
}

/// The same; every line goes to `output`.
fn ready_url_of(child: &mut Child, output: &Output) -> Option<String> {
    let output = Arc::clone(output);
    let stdout = child.stdout.take().expect("standard output is piped");
    let (sender, lines) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            output.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
            // Nobody listens after the first line; the rest is read so that nothing blocks.
            let _ = sender.try_send(line);
        }
    });
    let line = lines.recv_timeout(READY_WITHIN).ok()?;
    let url = line.strip_prefix(READY).unwrap_or_else(|| panic!("the first line is {line:?}"));
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    Some(url.to_owned())
}

fn guard(stack: &Child, launch: &Launch) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "sh", &stack.id().to_string()]).arg(launch.folder());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("there is a shell")
}

/// Reads `export NAME='value'` lines.
fn exports(text: &str) -> BTreeMap<String, String> {
    let export = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((name.to_owned(), value.replace(r"'\''", "'")))
    };
    text.lines().filter_map(export).collect()
}
