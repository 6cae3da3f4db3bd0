//! Processes of the stack: signals to them by their ids, and one that ends with its test.

use std::process::{Child, Command, ExitStatus, Stdio};

use super::{SOON, until};

/// A process that is killed when the test is done with it, if it has not ended by itself.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.0;
        until("its end", SOON, async || child.try_wait().expect("it is a child of ours")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
