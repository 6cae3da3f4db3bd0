//! Lets something happen so many times a second and no more often.

use std::time::Duration;

use tokio::time::Instant;

/// A rate. The first step is free; each further one waits for its turn.
#[derive(Debug)]
pub struct Pace {
    interval: Option<Duration>,
    next: Instant,
}

impl Pace {
    /// So many steps a second; as many as come if nothing is given.
    pub fn new(per_second: Option<u32>) -> Self {
        let interval = per_second.map(|rate| Duration::from_secs(1) / rate.max(1));
        Self { interval, next: Instant::now() }
    }

    /// Waits for the next turn. Turns that were missed are not made up for: a stall is followed by no
    /// burst.
    pub async fn step(&mut self) {
        let Some(interval) = self.interval else { return };
        tokio::time::sleep_until(self.next).await;
        self.next = Instant::now().max(self.next) + interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_come_at_their_rate() {
        let (begun, mut pace) = (Instant::now(), Pace::new(Some(20)));
        for _ in 0..41 {
            pace.step().await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let late = Instant::now();
        pace.step().await;
        pace.step().await;
        assert_eq!(late.elapsed(), Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let (begun, mut pace) = (Instant::now(), Pace::new(None));
        for _ in 0..1000 {
            pace.step().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
