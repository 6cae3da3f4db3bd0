//! Signals to processes of the stack, by their ids.

use std::process::{Command, Stdio};

/// Sends `name` (`KILL`, `TERM`) to a process. Whether it was there is the answer.
pub(crate) fn signal(pid: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null());
    kill.status().expect("there is a kill command").success()
}

/// Whether a process runs. One that has ended counts as gone, even while its parent has not asked how.
pub(crate) fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let is_zombie = state.is_ok_and(|text| text.contains(") Z"));
    signal(pid, "0") && !is_zombie
}
