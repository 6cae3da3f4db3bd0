//! What keeps a benchmark from giving a number.

use std::io;
use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A socket of this machine could not be used.
    #[error("a loopback socket cannot be used")]
    Loopback(#[source] io::Error),
    /// A program could not be started.
    #[error("{} cannot be started", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A function ended, or did not answer in time.
    #[error("{function} gave no answer: {reason}")]
    NoAnswer {
        /// Which.
        function: String,
        /// What is known of it.
        reason: String,
    },
    /// A function answered something else than it was to.
    #[error("{function} answered what it should not: {answer}")]
    WrongAnswer {
        /// Which.
        function: String,
        /// Its first characters.
        answer: String,
    },
    /// The kernel does not say what a process used.
    #[error("the use of process {pid} cannot be read")]
    Usage {
        /// Which process.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The programs to be measured could not be built.
    #[error("the release build failed: {0}")]
    Build(String),
    /// A file could not be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something that was measured does not fit what was expected of it.
    #[error("{0}")]
    Unexpected(String),
}

impl BenchError {
    /// `function` answered `answer`, of which the beginning is kept.
    pub fn wrong(function: &str, answer: &[u8]) -> Self {
        /// Enough to recognise a problem document.
        const CHARACTERS_MAX: usize = 400;
        let answer = String::from_utf8_lossy(answer).chars().take(CHARACTERS_MAX).collect();
        Self::WrongAnswer { function: function.to_owned(), answer }
    }
}
