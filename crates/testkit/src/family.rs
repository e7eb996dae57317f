//! Processes by whose children they are and where they run, from `/proc`.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::failure::fail;
use crate::program::DEADLINE;
use crate::wait::PAUSE;

/// The living children of a process whose program's name begins so.
pub fn children(parent: u32, program: &str) -> Vec<u32> {
    let is_child = |id: &u32| stat(*id).is_some_and(|(alive, its)| alive && its == parent);
    all().filter(is_child).filter(|id| name(*id).starts_with(program)).collect()
}

/// The living processes whose working folder this is.
pub fn running_in(folder: &Path) -> Vec<u32> {
    let is_there =
        |id: &u32| std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|found| found == folder);
    let is_alive = |id: &u32| stat(*id).is_some_and(|(alive, _)| alive);
    all().filter(is_there).filter(is_alive).collect()
}

/// Waits until no process works in a folder; the test fails with those that live on.
pub async fn gone_from(folder: &Path) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = running_in(folder);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            fail(&format!("{left:?} live on in {}", folder.display()));
        }
        sleep(PAUSE).await;
    }
}

/// Sends SIGKILL; whether there was anybody to get it.
pub fn kill(id: u32) -> bool {
    signal(id, Signal::KILL)
}

/// Sends a signal; whether there was anybody to get it.
pub fn signal(id: u32, signal: Signal) -> bool {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process is more than a zombie, and its parent.
fn stat(id: u32) -> Option<(bool, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold spaces; state and parent follow it.
    let (_, after) = stat.rsplit_once(") ")?;
    let mut words = after.split(' ');
    let (state, parent) = (words.next()?, words.next()?);
    Some((state != "Z", parent.parse().ok()?))
}

/// The name of a program's file.
fn name(id: u32) -> String {
    let file = std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
