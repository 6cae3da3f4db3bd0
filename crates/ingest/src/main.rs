//! The ingest function as Lambda starts it.

use std::process::ExitCode;

// One thread, as the other functions (docs/decisions/0019).
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
