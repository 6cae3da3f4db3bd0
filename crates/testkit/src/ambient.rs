//! Time that moves only when it is told to, and chance that repeats for the same seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relay_core::ports::Ambient;
use relay_core::time::Timestamp;

/// A clock that is turned by hand. Copies are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<AtomicU64>,
    /// Since when the runtime's own time is added.
    runtime_since: Option<tokio::time::Instant>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { millis: Arc::new(AtomicU64::new(start.as_millis())), runtime_since: None }
    }

    /// A clock that shows `start` and goes on with the time of the runtime it is made on, paused or not.
    pub fn with_runtime(start: Timestamp) -> Self {
        Self { runtime_since: Some(tokio::time::Instant::now()), ..Self::starting_at(start) }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        let by_hand = Timestamp::from_millis(self.millis.load(Ordering::SeqCst));
        by_hand.plus(self.runtime_since.map(|since| since.elapsed()).unwrap_or_default())
    }

    /// Turns it on by `step`.
    pub fn advance(&self, step: Duration) {
        let millis = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

/// Chance that repeats for the same seed (SplitMix64): good enough to reach odd corners of tests, and
/// for nothing else.
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The chance that `seed` stands for.
    pub const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    /// One of `choices`, if there are any.
    pub fn pick<'choices, T>(&mut self, choices: &'choices [T]) -> Option<&'choices T> {
        let index = self.below(choices.len() as u64);
        usize::try_from(index).ok().and_then(|index| choices.get(index))
    }

    /// 128 random bits.
    pub fn bits(&mut self) -> [u8; 16] {
        let mut bits = [0; 16];
        bits[..8].copy_from_slice(&self.next().to_be_bytes());
        bits[8..].copy_from_slice(&self.next().to_be_bytes());
        bits
    }
}

/// A turnable clock with seeded chance. Copies share both.
#[derive(Debug, Clone)]
pub struct TestAmbient {
    clock: ManualClock,
    chance: Arc<Mutex<Chance>>,
}

impl TestAmbient {
    /// Time from `clock`, chance from `seed`.
    pub fn new(clock: ManualClock, seed: u64) -> Self {
        Self { clock, chance: Arc::new(Mutex::new(Chance::seeded(seed))) }
    }

    /// The clock to turn.
    pub const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn with_chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ambient for TestAmbient {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn unit(&self) -> f64 {
        self.with_chance(|chance| (chance.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    fn bits(&self) -> [u8; 16] {
        self.with_chance(Chance::bits)
    }
}

/// Time and chance of one host, whose clock goes ahead of another one or behind it.
#[derive(Debug, Clone)]
pub struct SkewedAmbient {
    ambient: TestAmbient,
    ahead_millis: i64,
}

impl SkewedAmbient {
    /// The time of `clock`, shown `ahead_millis` milliseconds later than it is; chance from `seed`.
    pub fn new(clock: ManualClock, ahead_millis: i64, seed: u64) -> Self {
        Self { ambient: TestAmbient::new(clock, seed), ahead_millis }
    }
}

impl Ambient for SkewedAmbient {
    fn now(&self) -> Timestamp {
        let true_millis = self.ambient.now().as_millis();
        Timestamp::from_millis(true_millis.saturating_add_signed(self.ahead_millis))
    }

    fn unit(&self) -> f64 {
        self.ambient.unit()
    }

    fn bits(&self) -> [u8; 16] {
        self.ambient.bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let ambient = || TestAmbient::new(ManualClock::starting_at(Timestamp::from_millis(1)), 42);
        let (one, other) = (ambient(), ambient());
        for _ in 0..100 {
            let unit = one.unit();
            assert!((0.0..1.0).contains(&unit));
            assert!((unit - other.unit()).abs() < f64::EPSILON);
            assert_eq!(one.bits(), other.bits());
        }
        assert_ne!(one.bits(), one.bits());
    }

    #[test]
    fn time_moves_when_it_is_told_to() {
        let clock = ManualClock::starting_at(Timestamp::from_millis(5));
        clock.clone().advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp::from_millis(2005));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_can_go_with_the_runtime_and_hosts_with_clocks_of_their_own() {
        let clock = ManualClock::with_runtime(Timestamp::from_millis(10_000));
        let late = SkewedAmbient::new(clock.clone(), -3000, 1);
        tokio::time::sleep(Duration::from_millis(250)).await;
        clock.advance(Duration::from_millis(50));
        assert_eq!(clock.now(), Timestamp::from_millis(10_300));
        assert_eq!(late.now(), Timestamp::from_millis(7300));
    }
}
