//! The worker Lambda. Everything it does is in the library.

// One thread: an invocation waits far more than it computes, and Lambda gives it a part of a processor. A second thread
// would only have every request, answer and timer handed from one to the other.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    match relay_worker::run::run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
