//! The floors: the least that anybody could do for the same effect, run as processes of their own under the same
//! conditions as the functions.

pub mod hyper;
pub mod naive;
pub mod requests;
pub mod sdk;

use std::future::Future;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::allocations;
use crate::error::BenchError;

/// What a loop says when it can begin.
pub const READY: &str = "ready";
/// What it says when it has gone round as often as it was told to, before what it has allocated so far.
pub const DONE: &str = "done";

/// Goes round as often as each line of standard input says, until its end.
pub async fn obey<F, R>(mut rounds: F) -> Result<(), BenchError>
where
    F: FnMut(usize) -> R,
    R: Future<Output = Result<(), BenchError>>,
{
    eprintln!("{READY}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let count =
            line.trim().parse().map_err(|_| BenchError::wrong("orders", line.as_bytes()))?;
        rounds(count).await?;
        let (count, bytes) = allocations::so_far();
        eprintln!("{DONE} {count} {bytes}");
    }
    Ok(())
}
