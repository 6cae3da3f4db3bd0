//! The worker Lambda. Everything it does is in the library.

// One thread, as the other functions (docs/decisions/0019).
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
