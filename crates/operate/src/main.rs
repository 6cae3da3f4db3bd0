//! The reconciler Lambda. Everything it does is in the library.

// One thread, as the other functions (docs/decisions/0019).
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    match relay_operate::run::run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reconciler: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
