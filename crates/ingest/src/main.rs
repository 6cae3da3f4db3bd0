//! The ingest function as Lambda starts it.

use std::process::ExitCode;

// One thread: an invocation waits far more than it computes, and Lambda gives it a part of a processor. A second thread
// would only have every request, answer and timer handed from one to the other.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match relay_ingest::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ingest: {error}");
            ExitCode::FAILURE
        }
    }
}
