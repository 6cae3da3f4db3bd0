//! A function under test: its process, started as Lambda starts one, and what it uses.
//!
//! It begins with an empty environment and is alone on the second processor; whatever it talks to is on the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::bare::{DONE, READY};
use crate::error::BenchError;
use crate::runtime_api::RuntimeApi;
use crate::usage::{Usage, peak_kibibytes};

/// The processor of the functions. Everything else is on 0.
pub const FUNCTION_CORE: &str = "1";
/// How long a function may take to report its allocations.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a new line for so long, there is none on its way: a pipe takes microseconds.
const LOG_PAUSE: Duration = Duration::from_millis(50);
/// Lines on standard error that wait to be looked at. A function says a few there; one that says more must not stand still
/// because of that, so what is over is left out.
const LINES_KEPT_MAX: usize = 1024;
/// What the launcher says before it becomes the function.
pub const STARTED: &str = "started ";
/// What a counting function says before its allocations.
pub const ALLOCATED: &str = "allocated ";

/// What to run: the program's file and its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
}

impl Program {
    /// A program that was built beside this one.
    #[must_use]
    pub fn beside(name: &str) -> Self {
        let folder = std::env::current_exe().unwrap_or_default();
        let path = folder.parent().unwrap_or(Path::new(".")).join(name);
        Self { path, arguments: Vec::new() }
    }

    /// This program itself, in another part.
    #[must_use]
    pub fn own(arguments: &[&str]) -> Self {
        let path = std::env::current_exe().unwrap_or_default();
        Self { path, arguments: arguments.iter().map(|&one| one.to_owned()).collect() }
    }

    fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{file} {}", self.arguments.join(" ")).trim_end().to_owned()
    }
}

/// What a function has asked the allocator for, since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Times.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A started function.
pub struct Function {
    name: String,
    process: Child,
    pid: u32,
    api: RuntimeApi,
    log_bytes: Arc<AtomicU64>,
    told: mpsc::Receiver<String>,
    orders: Option<ChildStdin>,
}

impl Function {
    /// Starts `program` with these variables and waits until it asks for work.
    ///
    /// # Errors
    /// When it cannot be started or does not get there.
    pub async fn start(
        program: &Program,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, BenchError> {
        let mut function = Self::spawn(program, variables, None).await?;
        function.api.ready(&function.name).await?;
        Ok(function)
    }

    /// Starts a loop of this program and waits until it can go round.
    ///
    /// # Errors
    /// As [`Function::start`].
    pub async fn start_loop(
        program: &Program,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, BenchError> {
        let mut function = Self::spawn(program, variables, None).await?;
        function.told(READY).await?;
        Ok(function)
    }

    /// Has a loop go round so often; what it has allocated since it began.
    ///
    /// # Errors
    /// When it fails.
    pub async fn go_round(&mut self, rounds: usize) -> Result<Allocations, BenchError> {
        self.order(&rounds.to_string()).await;
        let line = self.told(DONE).await?;
        self.read_allocations(&line)
    }

    /// Starts it and measures how long it takes from the execution of its file to its first call for work. Its share
    /// of a processor is that of the control group, if one is given.
    ///
    /// # Errors
    /// As [`Function::start`].
    pub async fn start_cold(
        program: &Program,
        variables: &BTreeMap<String, String>,
        group: Option<&Path>,
    ) -> Result<(Self, Duration), BenchError> {
        let mut launched = Program::own(&["launch"]);
        if let Some(group) = group {
            launched.arguments.extend(["--group".to_owned(), group.display().to_string()]);
        }
        launched.arguments.extend(["--".to_owned(), program.path.display().to_string()]);
        launched.arguments.extend(program.arguments.iter().cloned());
        let mut function = Self::spawn(&launched, variables, Some(program.name())).await?;
        let ready = function.api.ready(&function.name).await?;
        let line = function.told(STARTED).await?;
        let nanoseconds = line.parse().map_err(|_| BenchError::wrong("launch", line.as_bytes()))?;
        let started: SystemTime = UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        Ok((function, ready.duration_since(started).unwrap_or_default()))
    }

    async fn spawn(
        program: &Program,
        variables: &BTreeMap<String, String>,
        name: Option<String>,
    ) -> Result<Self, BenchError> {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new("taskset");
        command.args(["-c", FUNCTION_CORE]).arg(&program.path).args(&program.arguments);
        command.env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(lambda_variables(&api)).envs(variables);
        let start = |source| BenchError::Start { program: program.path.clone(), source };
        let mut process = command.spawn().map_err(start)?;
        let pid = process.id().unwrap_or_default();
        let log_bytes = Arc::new(AtomicU64::new(0));
        if let Some(stdout) = process.stdout.take() {
            tokio::spawn(count(stdout, Arc::clone(&log_bytes)));
        }
        let (sender, told) = mpsc::channel(LINES_KEPT_MAX);
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let _ = sender.try_send(line);
                }
            });
        }
        let orders = process.stdin.take();
        let name = name.unwrap_or_else(|| program.name());
        Ok(Self { name, process, pid, api, log_bytes, told, orders })
    }

    /// Has it work on `event`; its answer.
    ///
    /// # Errors
    /// When it fails, ends, or does not answer in time.
    pub async fn invoke(&mut self, event: Bytes) -> Result<Bytes, BenchError> {
        let ended = |status: std::io::Result<std::process::ExitStatus>| BenchError::NoAnswer {
            function: self.name.clone(),
            reason: format!("its process ended: {status:?}"),
        };
        tokio::select! {
            answer = self.api.invoke(&self.name, event) => answer,
            status = self.process.wait() => Err(ended(status)),
        }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage, BenchError> {
        Usage::of(self.pid)
    }

    /// The most memory it has held at a time, in KiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_kibibytes(&self) -> Result<u64, BenchError> {
        peak_kibibytes(self.pid)
    }

    /// What it has written to its log so far, in bytes.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::SeqCst)
    }

    /// The same, once everything that was written has been read: it stays the same for a while.
    pub async fn log_bytes_settled(&self) -> u64 {
        loop {
            let before = self.log_bytes();
            tokio::time::sleep(LOG_PAUSE).await;
            if self.log_bytes() == before {
                return before;
            }
        }
    }

    /// What it has allocated so far; only this program's own parts can say.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn allocations(&mut self) -> Result<Allocations, BenchError> {
        self.order("").await;
        let line = self.told(ALLOCATED).await?;
        self.read_allocations(&line)
    }

    async fn order(&mut self, line: &str) {
        if let Some(orders) = &mut self.orders {
            // A function that has ended says nothing, and that is noticed.
            let _ = orders.write_all(format!("{line}\n").as_bytes()).await;
        }
    }

    fn read_allocations(&self, line: &str) -> Result<Allocations, BenchError> {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(count)), Some(Ok(bytes))) => Ok(Allocations { count, bytes }),
            (_, _) => Err(BenchError::wrong(&self.name, line.as_bytes())),
        }
    }

    /// The rest of the next line on its standard error that begins so.
    async fn told(&mut self, beginning: &str) -> Result<String, BenchError> {
        let mut others = String::new();
        let wanted = async {
            while let Some(line) = self.told.recv().await {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return Some(rest.to_owned());
                }
                others.push_str(&line);
            }
            None
        };
        let found = tokio::time::timeout(REPORT_TIMEOUT, wanted).await.ok().flatten();
        found.ok_or_else(|| BenchError::wrong(&self.name, others.as_bytes()))
    }

    /// Ends it.
    pub async fn end(mut self) {
        // Fails only for a process that has ended.
        let _ = self.process.kill().await;
    }
}

async fn count(mut stream: impl tokio::io::AsyncRead + Unpin, bytes: Arc<AtomicU64>) {
    let mut piece = vec![0; 16 * 1024];
    let shows = std::env::var_os("RELAY_BENCH_LOGS").is_some();
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        bytes.fetch_add(read as u64, Ordering::SeqCst);
        if shows {
            eprint!("{}", String::from_utf8_lossy(&piece[..read]));
        }
    }
}

/// What Lambda sets in every environment.
fn lambda_variables(api: &RuntimeApi) -> [(&'static str, String); 7] {
    [
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "function".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", api.address().to_string()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
    ]
}
