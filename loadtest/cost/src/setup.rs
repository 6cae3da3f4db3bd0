//! How a relay is set up, as far as it decides what a message costs. What things cost, and how long they take, is not
//! here: `prices.json` and `assumptions.json` have that.

use serde::Serialize;

/// What clients send their requests to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontDoor {
    /// API Gateway's HTTP API: what the template makes.
    HttpApi,
    /// API Gateway's REST API.
    RestApi,
    /// The function's own URL: no charge besides the function's.
    FunctionUrl,
    /// An application load balancer, by capacity units; its hours are fixed costs.
    LoadBalancer,
}

/// What is written of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// `STATUS_TRACKING=full`: record, QUEUED, claim, settle.
    Full,
    /// `STATUS_TRACKING=lean`: record and settle.
    Lean,
    /// The same flow without any of this relay's care: five writes of one item, one delivery after another, a call of
    /// `PutMetricData` in each invocation. `retained` puts the body into that item.
    Naive,
}

/// How the table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// By the request.
    OnDemand,
    /// By the hour, of which `utilisation` (0 to 1) is used.
    Provisioned {
        /// Share of the provisioned units that requests use.
        utilisation: f64,
    },
}

/// A setup. Everything here can be set with parameters of the template, or by how clients send.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setup {
    /// What clients call.
    pub front_door: FrontDoor,
    /// `STATUS_TRACKING`.
    pub tracking: Tracking,
    /// `RETAIN_BODIES`.
    pub retained: bool,
    /// Messages in one request; 1 is `POST /message`.
    pub bulk: u32,
    /// Size of a body.
    pub body_bytes: u64,
    /// `BatchSize`: queue items in one invocation of the worker.
    pub batch: u32,
    /// `DELIVERY_CONCURRENCY`: deliveries of one invocation side by side.
    pub concurrency: u32,
    /// `IngestMemoryMegabytes`.
    pub ingest_memory_megabytes: u32,
    /// `WorkerMemoryMegabytes`.
    pub worker_memory_megabytes: u32,
    /// `LOG_SUCCESS_PERCENT`.
    pub log_success_percent: f64,
    /// Whether metrics are written (`METRICS=emf`).
    pub metrics: bool,
    /// Whether Lambda writes its own lines for each invocation (`SystemLogLevel: INFO`).
    pub platform_lines: bool,
    /// Whether the event source has provisioned pollers.
    pub provisioned_pollers: bool,
    /// Whether queue items name a group (`FAIRNESS_KEY`).
    pub fair_queue: bool,
    /// `TABLE_INLINE_BYTES_MAX`: retained bodies above it go to S3.
    pub table_inline_bytes_max: u64,
    /// `QUEUE_INLINE_BYTES_MAX`: bodies above it travel as pointers.
    pub queue_inline_bytes_max: u64,
}

impl Setup {
    /// The setup that costs are compared at: the template's limits, an event source for steady traffic, logs of one
    /// success in a hundred, 1 KB.
    pub fn steady(tracking: Tracking, retained: bool, bulk: u32) -> Self {
        Self {
            front_door: FrontDoor::HttpApi,
            tracking,
            retained,
            bulk,
            body_bytes: 1024,
            batch: 10,
            concurrency: 10,
            ingest_memory_megabytes: 512,
            worker_memory_megabytes: 256,
            log_success_percent: 1.0,
            metrics: true,
            platform_lines: true,
            provisioned_pollers: true,
            fair_queue: false,
            table_inline_bytes_max: 8192,
            queue_inline_bytes_max: 262_144,
        }
    }

    /// The template as it is, one POST a message.
    pub fn template_default() -> Self {
        Self {
            batch: 5,
            worker_memory_megabytes: 512,
            log_success_percent: 100.0,
            provisioned_pollers: false,
            ..Self::steady(Tracking::Full, true, 1)
        }
    }

    /// The preset `production` of samconfig.toml, one POST a message.
    pub fn production() -> Self {
        Self {
            batch: 10,
            ingest_memory_megabytes: 1024,
            worker_memory_megabytes: 1024,
            provisioned_pollers: true,
            ..Self::template_default()
        }
    }

    /// The flow as a first version of such a service has it.
    pub fn naive() -> Self {
        Self {
            batch: 5,
            concurrency: 1,
            worker_memory_megabytes: 512,
            provisioned_pollers: false,
            metrics: false,
            ..Self::steady(Tracking::Naive, false, 1)
        }
    }

    /// The same with bodies of `body_bytes`.
    #[must_use]
    pub fn with_body(self, body_bytes: u64) -> Self {
        Self { body_bytes, ..self }
    }
}
