//! Starts the child process of one environment.
//!
//! The child begins with an empty environment. Its standard input is a pipe that nobody writes to: a
//! function that reads its end knows that this process is gone, however it went, and ends too.

use futures::future::join_all;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use super::output::Output;
use super::settings::FunctionSettings;

/// How long the output of an ended process may stay open: a grandchild could hold it.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// A started process, with the pipe whose closing tells it to end.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) pid: u32,
    /// Held apart: waiting for the child would close it.
    _lifeline: Option<ChildStdin>,
    outputs: Vec<JoinHandle<()>>,
}

impl Process {
    /// Kills the process and waits until its last words are shown.
    pub(super) async fn end(mut self) {
        // Fails only for a process that has ended, which is the aim.
        let _ = self.child.kill().await;
        let shown = join_all(self.outputs);
        if tokio::time::timeout(LAST_WORDS_TIMEOUT, shown).await.is_err() {
            tracing::warn!(pid = self.pid, "output of an ended process is still open");
        }
    }
}

/// Starts the function's program for the environment `number`, whose Runtime API is at `runtime_api`.
pub(super) fn start(
    settings: &FunctionSettings,
    number: u64,
    runtime_api: SocketAddr,
) -> std::io::Result<Process> {
    let mut command = Command::new(&settings.program);
    command.args(&settings.arguments).env_clear().kill_on_drop(true);
    // A group of its own: Ctrl-C at a terminal goes to the whole group of the stack, and must not cut off
    // the deliveries that the stack then waits for.
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in lambda_variables(settings, number, runtime_api) {
        command.env(name, value);
    }
    command.envs(&settings.environment);
    let mut child = command.spawn()?;
    let (label, style, log) = (settings.label.clone(), settings.output, settings.log.clone());
    let (log_group, meter) = (settings.log_group.clone(), settings.meter.clone());
    let output = Output { label, style, log, log_group, meter };
    let mut outputs = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        outputs.push(tokio::spawn(output.clone().pass_on(stdout)));
    }
    if let Some(stderr) = child.stderr.take() {
        outputs.push(tokio::spawn(output.pass_on(stderr)));
    }
    let lifeline = child.stdin.take();
    let pid = child.id().unwrap_or_default();
    Ok(Process { child, pid, _lifeline: lifeline, outputs })
}

/// The variables that Lambda sets in every environment, as far as a function can see their effect.
fn lambda_variables(
    settings: &FunctionSettings,
    number: u64,
    runtime_api: SocketAddr,
) -> [(&'static str, String); 13] {
    [
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory_megabytes.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", settings.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", settings.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local[$LATEST]{number}")),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
    ]
}
