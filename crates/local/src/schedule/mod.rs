//! Invokes functions at the rate of their schedule, as an EventBridge rule and Lambda's asynchronous
//! invocation do: what fails is tried again as often and as late as Lambda would, and then dropped.
//!
//! A run begins when it is due, whether or not the one before has ended. Not simulated: events that
//! EventBridge hands over late or twice, and destinations for what was dropped. The first run comes one
//! interval after the start; [`ScheduledEvent`] lets others invoke the function before that.

mod event;
mod running;
mod tries;

pub use event::ScheduledEvent;
pub use running::{RunningSchedule, ScheduleOptions};
