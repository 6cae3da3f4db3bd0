//! The worker Lambda. Everything it does is in the library.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match relay_worker::run::run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
