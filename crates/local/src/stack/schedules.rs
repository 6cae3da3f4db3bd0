//! Starts the schedules of the template.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ACCOUNT_ID, REGION, StackError};
use crate::lambda::FunctionHost;
use crate::schedule::{RunningSchedule, ScheduleOptions, ScheduledEvent};
use crate::template::Description;
use crate::template::description::Schedule;

/// What a schedule tells its function.
fn event_of(schedule: &Schedule) -> ScheduledEvent {
    ScheduledEvent {
        rule_arn: schedule.rule_arn.clone(),
        region: REGION.to_owned(),
        account_id: ACCOUNT_ID.to_owned(),
    }
}

/// What each function that has a schedule is told when it is run out of turn; the last schedule's word,
/// if it has several.
pub(super) fn events(description: &Description) -> BTreeMap<String, ScheduledEvent> {
    let schedules = description.schedules.iter();
    schedules.map(|schedule| (schedule.function.clone(), event_of(schedule))).collect()
}

/// Starts every schedule.
pub(super) fn start(
    description: &Description,
    functions: &BTreeMap<String, Arc<FunctionHost>>,
) -> Result<Vec<RunningSchedule>, StackError> {
    // All are looked up before the first begins to run.
    let mut options = Vec::new();
    for schedule in &description.schedules {
        let unconnected = || StackError::Unscheduled(schedule.function.clone());
        let function = description.function(&schedule.function).ok_or_else(unconnected)?;
        options.push(ScheduleOptions {
            every: schedule.every,
            event: event_of(schedule),
            function: functions.get(&schedule.function).map(Arc::clone).ok_or_else(unconnected)?,
            asynchronous: function.asynchronous,
        });
    }
    Ok(options.into_iter().map(RunningSchedule::start).collect())
}
