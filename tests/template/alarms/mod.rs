//! What is alarmed about: that every alarm fires on what it is for and rests otherwise, that one cause rings once,
//! and that what alarms look at exists.
//!
//! The alarms are evaluated by their own definitions in the template. That AWS evaluates them alike is not shown here.

mod cases;
mod faults;
mod fire;
mod hidden;
mod late;
mod metrics;
mod once;
mod shape;
mod silent;
mod topic;
mod traffic;
