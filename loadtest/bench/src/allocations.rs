//! The allocator of this program, which counts. The functions as they are shipped have the system's own, which is what
//! does the work here too.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Times and bytes that were asked for since the program began. Growing counts as often as it happens, and with what it
/// adds.
pub fn so_far() -> (u64, u64) {
    let stats = ALLOCATOR.stats();
    let count = stats.allocations + stats.reallocations;
    (count as u64, stats.bytes_allocated as u64)
}
