//! The functions of the stack: this test program runs itself again as each of them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use relay_local::stack::Program;

/// Says which function to be.
const FUNCTION: &str = "OPERATOR_TEST_FUNCTION";

/// Writes a program that is started as `<program> function <name>`.
pub(crate) fn program(folder: &Path) -> PathBuf {
    let path = folder.join("functions");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o755).open(&path).unwrap();
    let itself = std::env::current_exe().unwrap();
    let test = "--exact function::of_the_stack --ignored --nocapture";
    writeln!(file, "#!/bin/sh\n{FUNCTION}=\"$2\" exec '{}' {test}", itself.display()).unwrap();
    path
}

/// Not a test: the child process of the others. Run by itself it has no name of a function and ends.
#[test]
#[ignore = "the other tests run it as a child process"]
fn of_the_stack() {
    let Ok(name) = std::env::var(FUNCTION) else { return };
    let program = Program::from_str(&name, false).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(relay_local::launch::run_program(program));
}
