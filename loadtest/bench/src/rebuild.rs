//! Sees to it that what is measured is the code that ships: optimised, and alone on its processor.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::BenchError;

/// The processor of everything but the functions.
const OWN_CORE: &str = "0";
/// Set for the program that was started in place of this one.
const REPLACED: &str = "RELAY_BENCH_REPLACED";
/// What the release build is made of.
const PACKAGES: [&str; 4] = ["relay-ingest", "relay-worker", "relay-bench", "relay-bench-hello"];

/// Builds what is to be measured if this program is a debug build, and replaces this process by the optimised program,
/// pinned. Returns if that has happened.
///
/// # Errors
/// When the build fails, or the program cannot be replaced.
pub fn replace_if_needed() -> Result<(), BenchError> {
    if std::env::var_os(REPLACED).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe()
        .map_err(|source| BenchError::Start { program: PathBuf::from("relay-bench"), source })?;
    let program = if cfg!(debug_assertions) { build(&own)? } else { own };
    let source = Command::new("taskset")
        .args(["-c", OWN_CORE])
        .arg(&program)
        .args(std::env::args_os().skip(1))
        .env(REPLACED, "1")
        .exec();
    Err(BenchError::Start { program: "taskset".into(), source })
}

/// The optimised program, built in the target folder that this program is in.
fn build(own: &Path) -> Result<PathBuf, BenchError> {
    let target = own.parent().and_then(Path::parent);
    let target = target.ok_or_else(|| BenchError::Build("no target folder".to_owned()))?;
    eprintln!("building what is measured: {} (release)", PACKAGES.join(", "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--release"]).arg("--target-dir").arg(target);
    command.args(PACKAGES.iter().flat_map(|package| ["-p", *package]));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let status = command
        .status()
        .map_err(|source| BenchError::Start { program: PathBuf::from(&cargo), source })?;
    if !status.success() {
        return Err(BenchError::Build(status.to_string()));
    }
    Ok(target.join("release").join("relay-bench"))
}
