//! Systems to run: the preset `production` in an account that never asked for a quota, what it takes to carry more,
//! and one machine.

use crate::system::{Milliseconds, Quotas, Stack, System, Timings, Traffic};

/// No limit: far above every rate, and far below where a float loses whole numbers.
const UNLIMITED: f64 = 1e9;

const fn milliseconds(p50: f64, p99: f64) -> Milliseconds {
    Milliseconds { p50, p99 }
}

/// How clients send, and what is written of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One POST a message, full tracking, bodies of 1 KB retained.
    Single,
    /// Bulk of 25, lean tracking, bodies not retained.
    Bulk,
}

impl Way {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Single => "one POST a message, full, retained",
            Self::Bulk => "bulk of 25, lean, not retained",
        }
    }

    fn set(self, system: &mut System) {
        match self {
            Self::Single => {}
            Self::Bulk => {
                system.traffic.bulk = 25;
                system.stack.lean = true;
                system.stack.record_units = 1.0;
            }
        }
    }
}

/// What to ask for and to set, from this rate on.
struct Step {
    /// Messages a second that it is for.
    rate: f64,
    way: Way,
    api: [f64; 2],
    stack_api: [f64; 2],
    concurrency: u32,
    table: f64,
    pollers: [u32; 2],
    log_calls: f64,
}

/// With what an account and a stack have to begin with.
const fn default_step(rate: f64, way: Way) -> Step {
    Step {
        rate,
        way,
        api: [10_000.0, 5000.0],
        stack_api: [5000.0, 2500.0],
        concurrency: 1000,
        table: 4000.0,
        pollers: [2, 20],
        log_calls: 5000.0,
    }
}

const STEPS: [Step; 6] = [
    Step { table: 10_000.0, ..default_step(1000.0, Way::Single) },
    default_step(1000.0, Way::Bulk),
    Step {
        api: [15_000.0, 5000.0],
        stack_api: [12_000.0, 6000.0],
        concurrency: 3000,
        table: 100_000.0,
        pollers: [50, 200],
        ..default_step(10_000.0, Way::Single)
    },
    Step {
        concurrency: 2000,
        table: 40_000.0,
        pollers: [50, 200],
        ..default_step(10_000.0, Way::Bulk)
    },
    Step {
        api: [130_000.0, 65_000.0],
        stack_api: [120_000.0, 60_000.0],
        concurrency: 20_000,
        table: 750_000.0,
        pollers: [200, 1500],
        log_calls: 15_000.0,
        ..default_step(100_000.0, Way::Single)
    },
    Step {
        concurrency: 10_000,
        table: 300_000.0,
        pollers: [200, 1500],
        log_calls: 10_000.0,
        ..default_step(100_000.0, Way::Bulk)
    },
];

impl System {
    /// What carries `rate` messages a second: the preset of the next rate there is one for. None above the highest.
    pub fn holding(rate: f64, way: Way) -> Option<Self> {
        let step = STEPS.iter().find(|step| step.way == way && step.rate >= rate)?;
        let mut system = Self::production(rate, 1);
        way.set(&mut system);
        let (stack, quotas) = (&mut system.stack, &mut system.quotas);
        [quotas.api_rate, quotas.api_burst] = step.api;
        [stack.api_rate, stack.api_burst] = step.stack_api;
        quotas.concurrency = step.concurrency;
        quotas.table_warm = step.table;
        quotas.table_quota = quotas.table_quota.max(step.table);
        [stack.pollers_min, stack.pollers_max] = step.pollers;
        quotas.log_calls = step.log_calls;
        Some(system)
    }

    /// The same with one value set, such as `stack.batch=10`. None if there is no such name, or the value is not of its
    /// kind.
    pub fn with(&self, assignment: &str) -> Option<Self> {
        let (name, value) = assignment.split_once('=')?;
        let value: serde_json::Value = serde_json::from_str(value).ok()?;
        let mut whole = serde_json::to_value(self).ok()?;
        *whole.pointer_mut(&format!("/{}", name.replace('.', "/")))? = value;
        serde_json::from_value(whole).ok()
    }

    /// The preset `production` in an account with default quotas and a new table.
    pub fn default_quotas(rate: f64, way: Way) -> Self {
        let mut system = Self::production(rate, 1);
        way.set(&mut system);
        system
    }

    /// `cargo run` on one machine with the template's defaults: ten environments of each function, no quotas, calls
    /// within the machine. Its times are placeholders of the right order: set those that were measured.
    pub fn local(rate: f64, way: Way) -> Self {
        let mut system = Self::default_quotas(rate, way);
        let (stack, quotas) = (&mut system.stack, &mut system.quotas);
        (stack.batch, stack.window_seconds, stack.pollers_max) = (5, 5.0, 0);
        (stack.api_rate, stack.api_burst) = (UNLIMITED, UNLIMITED);
        (quotas.api_rate, quotas.api_burst, quotas.table_warm) = (UNLIMITED, UNLIMITED, UNLIMITED);
        (quotas.table_quota, quotas.log_calls) = (UNLIMITED, UNLIMITED);
        (quotas.ingest_environments_max, quotas.worker_environments_max) = (10, 10);
        (quotas.environment_wait_seconds, quotas.requests_per_concurrency) = (30.0, UNLIMITED);
        system.traffic.failure_share = 0.0;
        system.timings = Timings {
            front: milliseconds(1.0, 3.0),
            overhead: milliseconds(3.0, 10.0),
            cold_start: milliseconds(90.0, 150.0),
            table: milliseconds(2.0, 10.0),
            table_batch_factor: 2.0,
            send: milliseconds(2.0, 10.0),
            hop: milliseconds(2.0, 10.0),
            target: milliseconds(1.0, 5.0),
        };
        system
    }

    /// The template as the preset `production` sets it, in an account that never asked for a quota.
    pub fn production(rate: f64, bulk: u32) -> Self {
        Self {
            traffic: Traffic {
                rate,
                bulk,
                ramp_seconds: 0,
                duration_seconds: 300,
                body_bytes: 1024.0,
                failure_share: 0.02,
                timeout_share: 0.0,
            },
            stack: Stack {
                lean: false,
                record_units: 2.0,
                api_rate: 5000.0,
                api_burst: 2500.0,
                batch: 10,
                window_seconds: 0.0,
                maximum_concurrency: 10,
                pollers_min: 2,
                pollers_max: 20,
                delivery_concurrency: 10,
                attempts_max: 3,
                retry_base_seconds: 10.0,
                retry_factor: 3.0,
                timeout_seconds: 10.0,
                ingest_warm: 0,
                worker_warm: 0,
            },
            quotas: Quotas {
                api_rate: 10_000.0,
                api_burst: 5000.0,
                concurrency: 1000,
                requests_per_concurrency: 10.0,
                scaling_per_second: 100.0,
                scaling_at_once: 1000.0,
                ingest_environments_max: u32::MAX,
                worker_environments_max: u32::MAX,
                environment_wait_seconds: 0.0,
                table_warm: 4000.0,
                table_quota: 40_000.0,
                in_flight: 120_000.0,
                log_calls: 5000.0,
            },
            timings: Timings {
                front: milliseconds(12.0, 40.0),
                overhead: milliseconds(1.4, 4.0),
                cold_start: milliseconds(150.0, 400.0),
                table: milliseconds(5.0, 20.0),
                table_batch_factor: 2.0,
                send: milliseconds(10.0, 60.0),
                hop: milliseconds(16.0, 105.0),
                target: milliseconds(80.0, 1000.0),
            },
            seed: 1,
        }
    }
}
