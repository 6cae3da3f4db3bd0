//! What the executable does once its arguments are read: run the stack until it is told to end, or run
//! one function until its parent is gone.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::arguments::StartArguments;
use crate::lambda::OutputStyle;
use crate::stack::{self, DataFolder, Hosting, Program, Stack, StackError, StackOptions};
use crate::template::{Template, TemplateError};

/// Exit code of a program that was ended by a second Ctrl-C.
const INTERRUPTED: u8 = 130;
/// The template as it was when this executable was built, for an executable that is carried elsewhere.
const BUILT_IN_TEMPLATE: &str = include_str!("../../../template.yaml");

/// Runs the relay until Ctrl-C or SIGTERM. The first, whenever it comes, ends it in order; the second
/// ends it at once.
pub async fn run_stack(arguments: StartArguments) -> ExitCode {
    // Before anything is started that would have to be put away.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            say(&format!("error: signals cannot be received: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut starting = pin!(start(arguments));
    let (started, told_to_stop) = tokio::select! {
        started = &mut starting => (started, false),
        () = signals.next() => {
            say("stopping as soon as the start is over (Ctrl-C again ends at once)");
            // Parts that are half started cannot be stopped in order; the start has limits of its own.
            tokio::select! {
                started = &mut starting => (started, true),
                () = signals.next() => return ExitCode::from(INTERRUPTED),
            }
        }
    };
    match started {
        Ok(stack) => {
            if !told_to_stop {
                say(&stack::banner(&stack));
                // Programs wait for exactly this line; one that does not listen is no reason to stop.
                let _ = writeln!(std::io::stdout(), "relay ready on {}", stack.url());
                signals.next().await;
                say("stopping; deliveries under way may finish (Ctrl-C again ends at once)");
            }
            tokio::select! {
                biased;
                () = stack.stop() => ExitCode::SUCCESS,
                () = signals.next() => ExitCode::from(INTERRUPTED),
            }
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// The signals that end the relay.
struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupts: signal(SignalKind::interrupt())?,
            terminations: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
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
        hosting: Hosting::of_this_process(output_style()),
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

/// Runs the function of this name, as its own program would when deployed.
pub async fn run_program(program: Program) -> ExitCode {
    match program {
        Program::Ingest => run_function(relay_ingest::run()).await,
        Program::Worker => run_function(relay_worker::run::run()).await,
        Program::Reconciler => run_function(relay_operate::run::run()).await,
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
