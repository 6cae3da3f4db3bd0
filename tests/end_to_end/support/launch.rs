//! How a stack is started: which folder, settings and parameters.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::Stack;

/// Where data and logs of the tests go; a folder of cargo's.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// Everything a stack is started with. Starting it again means the same data.
#[derive(Clone)]
pub(crate) struct Launch {
    name: String,
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    ports: (u16, u16),
    folder: Arc<TempDir>,
}

impl Launch {
    /// A stack on a fresh folder, on any ports. `name` is for the log file.
    pub(crate) fn new(name: &str) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("end_to_end-").tempdir_in(SCRATCH);
        let launch = Self {
            name: format!("{name}-{number}"),
            settings: Vec::new(),
            arguments: Vec::new(),
            ports: (0, 0),
            folder: Arc::new(folder.expect("cargo's folder for tests takes a folder")),
        };
        // What an earlier run of the tests left there would be mistaken for this one's.
        let _ = std::fs::remove_file(launch.log());
        launch
    }

    /// Sets an environment variable.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives a parameter of the template a value.
    pub(crate) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend(["--parameter".to_owned(), format!("{name}={value}")]);
        self
    }

    /// Runs this template instead of the project's own.
    pub(crate) fn template(mut self, text: &str) -> Self {
        let path = self.folder.path().join("template.yaml");
        std::fs::write(&path, text).expect("the test's folder takes a file");
        self.arguments.extend(["--template".to_owned(), path.display().to_string()]);
        self
    }

    /// Uses the ports that `stack` has or had.
    pub(crate) fn ports_of(mut self, stack: &Stack) -> Self {
        self.ports = (port(&stack.url), port(&stack.receiver_url));
        self
    }

    /// Where the stack keeps its data.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder around the data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where standard error goes. It stays, for whoever asks why a test failed.
    pub(crate) fn log(&self) -> PathBuf {
        Path::new(SCRATCH).join(format!("end_to_end-{}.log", self.name))
    }

    /// Starts the stack and waits until it is ready.
    pub(crate) fn start(&self) -> Stack {
        let stack = self.spawn();
        Stack::when_ready(self.clone(), stack)
    }

    /// Starts the program and does not wait. The environment is empty but for the settings: whatever
    /// the tests run in must not change what they find.
    pub(crate) fn spawn(&self) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log());
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-local"));
        command.env_clear().envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.arg("--data-dir").arg(self.data_folder());
        command.args(["--port", &self.ports.0.to_string()]);
        command.args(["--receiver-port", &self.ports.1.to_string()]);
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(log.expect("cargo's folder for tests takes a log"));
        command.spawn().expect("the relay can be started")
    }
}

fn port(url: &str) -> u16 {
    let port = url.rsplit(':').next().expect("a URL has a colon");
    port.parse().expect("a URL of the stack ends in its port")
}

/// The project's template with some text replaced, each of which must be there exactly so often.
pub(crate) fn template_with(changes: &[(&str, &str)]) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let mut text = std::fs::read_to_string(path).expect("the project has a template");
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in the template");
        text = text.replace(from, to);
    }
    text
}
