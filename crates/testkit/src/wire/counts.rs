//! What was called and what was done to it.

use std::collections::BTreeMap;

use super::fault::FaultKind;
use super::service::Service;

/// Calls of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// All of them.
    pub calls: u64,
    /// Those that something was done to.
    pub faults: BTreeMap<FaultKind, u64>,
}

impl OperationCounts {
    /// How often this was done to it.
    #[must_use]
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.faults.get(&kind).copied().unwrap_or_default()
    }
}

/// Calls by service and operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<(Service, String), OperationCounts>);

impl Counts {
    /// Those of one operation.
    #[must_use]
    pub fn operation(&self, service: Service, operation: &str) -> OperationCounts {
        self.0.get(&(service, operation.to_owned())).cloned().unwrap_or_default()
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> OperationCounts {
        let mut total = OperationCounts::default();
        for counts in self.0.values() {
            total.calls += counts.calls;
            for (kind, count) in &counts.faults {
                *total.faults.entry(*kind).or_default() += count;
            }
        }
        total
    }
}
