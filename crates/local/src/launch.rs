//! What the executable does once its arguments are read: run the stack until it is told to end, or run
//! one function until its parent is gone.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::arguments::StartArguments;
use crate::lambda::OutputStyle;
use crate::stack::{self, DataFolder, Stack, StackError, StackOptions};
use crate::template::{Template, TemplateError};

/// Exit code of a program that was ended by a second Ctrl-C.
const INTERRUPTED: u8 = 130;
/// The template as it was when this executable was built, for an executable that is carried elsewhere.
const BUILT_IN_TEMPLATE: &str = include_str!("../../../template.yaml");

/// Runs the relay until Ctrl-C or SIGTERM.
pub async fn run_stack(arguments: StartArguments) -> ExitCode {
    match start(arguments).await {
        Ok(stack) => {
            say(&stack::banner(&stack));
            // Programs wait for exactly this line; one that does not listen is no reason to stop.
            let _ = writeln!(std::io::stdout(), "relay ready on {}", stack.url());
            stop_when_told(stack).await
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: StartArguments) -> Result<Stack, StackError> {
    let (template, template_origin) = find_template(arguments.template.as_deref())?;
    let data_folder = if arguments.ephemeral {
        DataFolder::temporary()?
    } else {
        DataFolder::durable(&arguments.data_dir)?
    };
    Stack::start(StackOptions {
        port: arguments.port,
        receiver_port: arguments.receiver_port,
        data_folder,
        template,
        template_origin,
        parameters: arguments.parameters.into_iter().collect::<BTreeMap<_, _>>(),
        output: output_style(),
    })
    .await
}

/// The template to run and where it came from: the one asked for, else the project's, else the one that
/// was built in.
fn find_template(asked: Option<&Path>) -> Result<(Template, String), TemplateError> {
    let project = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));
    let path = match asked {
        Some(path) => Some(path.to_owned()),
        None => project.canonicalize().ok(),
    };
    match path {
        Some(path) => Ok((Template::read(&path)?, path.display().to_string())),
        None => Ok((Template::parse(BUILT_IN_TEMPLATE)?, "the one built in".to_owned())),
    }
}

/// Text for people, JSON for everything else.
#[must_use]
pub fn output_style() -> OutputStyle {
    if std::io::stderr().is_terminal() { OutputStyle::Terminal } else { OutputStyle::Json }
}

async fn stop_when_told(stack: Stack) -> ExitCode {
    let (Ok(mut interrupts), Ok(mut terminations)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        say("signals cannot be received; stopping");
        stack.stop().await;
        return ExitCode::FAILURE;
    };
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
    say("stopping; deliveries under way may finish (Ctrl-C again ends at once)");
    tokio::select! {
        biased;
        () = stack.stop() => ExitCode::SUCCESS,
        _ = interrupts.recv() => ExitCode::from(INTERRUPTED),
        _ = terminations.recv() => ExitCode::from(INTERRUPTED),
    }
}

/// Runs a function until it ends, or until standard input does: the other end is held by the relay that
/// started it, and closes however that one ends.
pub async fn run_function<E: std::error::Error>(
    function: impl Future<Output = Result<(), E>>,
) -> ExitCode {
    tokio::select! {
        result = function => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                report(&error);
                ExitCode::FAILURE
            }
        },
        () = parent_gone() => ExitCode::SUCCESS,
    }
}

async fn parent_gone() {
    let (gone, is_gone) = oneshot::channel();
    // A thread of its own, which the runtime does not wait for when the process ends.
    std::thread::spawn(move || {
        let mut nothing = [0; 1];
        // Bytes are of no interest; the end or an error both mean that nobody holds the other end.
        while matches!(std::io::stdin().read(&mut nothing), Ok(1)) {}
        let _ = gone.send(());
    });
    let _ = is_gone.await;
}

/// Says what went wrong, with every cause on a line of its own.
fn report(error: &dyn std::error::Error) {
    say(&format!("error: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        say(&format!("  caused by: {error}"));
        cause = error.source();
    }
}

/// Tells a person something, if there is one: standard error may be closed.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
