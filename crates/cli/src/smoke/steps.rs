//! How the steps of a smoke test are told: one line each, and a sum at the end.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::time::Instant;

use crate::Failure;
use crate::terminal::{line, printable};

/// How much of a reason is told: an answer may be a whole page of a proxy's.
const REASON_CHARACTERS_MAX: usize = 400;

/// What a step came to.
pub(crate) type Outcome<T> = Result<(T, String), Wrong>;

/// Why a step does not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// The relay was not reached, or something was not there to reach it with.
    #[error("{0}")]
    NotAsked(#[from] Failure),
    /// The relay answered something else.
    #[error("expected {expected}, got {status}: {answer}")]
    Answered { expected: &'static str, status: u16, answer: String },
    /// The relay answered what it should, but not in substance.
    #[error("{0}")]
    Untrue(String),
    /// There is nothing to find out. Told, and no failure.
    #[error("{0}")]
    Skipped(&'static str),
    /// The time of the whole test is used up.
    #[error("no time is left: --timeout-seconds gave too little, or the relay takes too long{0}")]
    OutOfTime(String),
}

/// The steps so far.
pub(crate) struct Steps {
    began_at: Instant,
    held: u32,
    failed: u32,
    skipped: u32,
    /// What the request of the present step took that took most.
    most_tries: Rc<Cell<u32>>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { began_at: Instant::now(), held: 0, failed: 0, skipped: 0, most_tries: Rc::default() }
    }
}

impl Steps {
    /// Where whoever asks says how often it had to.
    pub(crate) fn most_tries(&self) -> Rc<Cell<u32>> {
        Rc::clone(&self.most_tries)
    }

    /// Takes a step and tells what it came to; its result, if it holds.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Outcome<T>>,
    ) -> Option<T> {
        let began_at = Instant::now();
        self.most_tries.set(1);
        let outcome = work.await;
        let millis = began_at.elapsed().as_millis();
        match outcome {
            Ok((result, told)) => {
                self.held += 1;
                tell("ok", name, Some(millis), &self.with_tries(told));
                Some(result)
            }
            Err(Wrong::Skipped(why)) => {
                self.skip(name, why);
                None
            }
            Err(wrong) => {
                self.failed += 1;
                tell("FAILED", name, Some(millis), &self.with_tries(wrong.to_string()));
                None
            }
        }
    }

    /// What the step came to, led by how often it had to ask. A reason is cut at its end.
    fn with_tries(&self, told: String) -> String {
        match (self.most_tries.get(), told.is_empty()) {
            (0 | 1, _) => told,
            (tries, true) => format!("took {tries} tries"),
            (tries, false) => format!("took {tries} tries: {told}"),
        }
    }

    /// Tells of a step that is not taken.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        tell("skipped", name, None, why);
    }

    /// Tells the sum.
    pub(crate) fn end(self) -> ExitCode {
        let seconds = self.began_at.elapsed().as_secs_f64();
        let Self { held, failed, skipped, .. } = self;
        line(&format!("{held} ok, {failed} failed, {skipped} skipped in {seconds:.1} s"));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn tell(word: &str, name: &str, millis: Option<u128>, told: &str) {
    let time = millis.map_or_else(String::new, |millis| format!("{millis} ms"));
    let told: String = printable(told).chars().take(REASON_CHARACTERS_MAX).collect();
    line(format!("{word:<7}  {name:<38} {time:>9}  {told}").trim_end());
}
