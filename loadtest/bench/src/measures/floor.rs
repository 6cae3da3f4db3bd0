//! The floor of what a function does: the SDK alone, making the calls that the function was captured making, in a loop or
//! once for each invocation of a function that does nothing else.

use bytes::Bytes;
use tempfile::TempDir;

use crate::bare::requests;
use crate::error::BenchError;
use crate::function::{Function, Program};
use crate::settings::{Profile, variables};
use crate::stub::Stub;

/// Calls that were captured: operation and body.
pub type Calls = [(String, Bytes)];

/// The calls in a loop. Each round makes all of them.
pub async fn in_loop(stub: &Stub, calls: &Calls) -> Result<Function, BenchError> {
    let (_read_by_then, program) = saved("bare-sdk", calls)?;
    Function::start_loop(&program, &variables(stub, Profile::Full)).await
}

/// The calls in a function. Each invocation makes all of them.
pub async fn in_function(stub: &Stub, calls: &Calls) -> Result<Function, BenchError> {
    let (_read_by_then, program) = saved("bare-function", calls)?;
    Function::start(&program, &variables(stub, Profile::Full)).await
}

/// Invokes such a function so often.
pub async fn invoke(function: &mut Function, rounds: usize) -> Result<(), BenchError> {
    for _ in 0..rounds {
        function.invoke(Bytes::from_static(b"{}")).await?;
    }
    Ok(())
}

/// The part of this program that makes the calls, and the folder that it reads them from before it is ready.
fn saved(part: &str, calls: &Calls) -> Result<(TempDir, Program), BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::Loopback)?;
    let path = folder.path().join("calls.json");
    requests::save(&path, calls)?;
    Ok((folder, Program::own(&[part, &path.display().to_string()])))
}
