//! What a process has used so far, as the kernel counts it: time on a processor, user and system apart, and memory.
//!
//! Threads that have ended are not in the finer of the two clocks; the functions under test keep theirs.

use std::fs;
use std::io;
use std::time::Duration;

use crate::error::BenchError;

/// Ticks of `/proc/<pid>/stat`: the kernel's USER_HZ, which is 100 on every architecture Lambda has.
const TICKS_PER_SECOND: f64 = 100.0;

/// Time on a processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// All of it, to the nanosecond.
    pub total: Duration,
    /// Of this, in ticks: in the program itself.
    pub user_seconds: f64,
    /// Of this, in ticks: in the kernel on its behalf.
    pub system_seconds: f64,
}

impl Usage {
    /// What `pid` has used since it began.
    ///
    /// # Errors
    /// When there is no such process, or the kernel does not count.
    pub fn of(pid: u32) -> Result<Self, BenchError> {
        let wrong = |source| BenchError::Usage { pid, source };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(wrong)?;
        let (user, system) =
            ticks(&stat).ok_or_else(|| wrong(io::ErrorKind::InvalidData.into()))?;
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task")).map_err(wrong)? {
            let path = thread.map_err(wrong)?.path().join("schedstat");
            let text = fs::read_to_string(path).unwrap_or_default();
            nanoseconds += text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
        }
        Ok(Self {
            total: Duration::from_nanos(nanoseconds),
            user_seconds: user / TICKS_PER_SECOND,
            system_seconds: system / TICKS_PER_SECOND,
        })
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            user_seconds: self.user_seconds - earlier.user_seconds,
            system_seconds: self.system_seconds - earlier.system_seconds,
        }
    }

    /// Microseconds for each of `count`, all of it.
    #[must_use]
    pub fn micros_each(self, count: usize) -> f64 {
        self.total.as_secs_f64() * 1e6 / count as f64
    }

    /// The share of the kernel, from 0 to 1.
    #[must_use]
    pub fn system_share(self) -> f64 {
        self.system_seconds / (self.system_seconds + self.user_seconds).max(f64::EPSILON)
    }
}

/// Ticks in user and kernel mode. The name of the program may hold blanks and brackets, so the fields are counted from
/// its last bracket.
fn ticks(stat: &str) -> Option<(f64, f64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The most memory that a process has held at a time, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn peak_kibibytes(pid: u32) -> Result<u64, BenchError> {
    let wrong = |source| BenchError::Usage { pid, source };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(wrong)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .ok_or_else(|| wrong(io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_is_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 10 0 0 0 321 45 0 0 20 0 1 0 100 0 0";
        assert_eq!(ticks(stat), Some((321.0, 45.0)));
    }

    #[test]
    fn work_is_seen() {
        let pid = std::process::id();
        let before = Usage::of(pid).unwrap();
        let mut sum = 0_u64;
        while Usage::of(pid).unwrap().since(before).total < Duration::from_millis(20) {
            sum = (0..100_000_u64).fold(sum, |sum, one| sum.wrapping_mul(31).wrapping_add(one));
        }
        assert!(peak_kibibytes(pid).unwrap() > 100, "{sum}");
    }
}
