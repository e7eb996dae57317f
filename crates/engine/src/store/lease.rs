//! One run of a pipeline at a time: who holds it, and whether that one still lives.

use std::fmt;

use rustix::process::{Pid, test_kill_process};

/// A process that runs a pipeline, or wants to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// A name that no other process has had; every write of state is made in it.
    pub token: String,
    /// The machine's name, and behind it what tells where ids of processes are its own.
    pub host: String,
    /// The process's id there.
    pub pid: u32,
}

/// What tells this run of a machine, and this container on it, from others of the same name: an id
/// of a process means something only there. Empty where the system does not say.
fn own_ids() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let ids = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), ids.display())
}

/// How long a holder may be silent before it has lost the pipeline, in seconds.
pub(super) const EXPIRY_SECONDS: i32 = 20;

impl Holder {
    /// This process, under a name of its own.
    #[must_use]
    pub fn of_this_process(token: &str) -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let host = format!("{name} {}", own_ids()).trim_end().to_owned();
        Self { token: token.to_owned(), host, pid: std::process::id() }
    }

    /// Whether `other` has lost the pipeline: it was silent too long, or it was a process of this
    /// machine that is gone.
    pub(super) fn may_replace(&self, other: &Self, expired: bool) -> bool {
        let same_host = self.host == other.host;
        // Another process cannot have the id that this one has: that one is gone.
        expired || (same_host && (other.pid == self.pid || !lives(other.pid)))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.host.split(' ').next().unwrap_or_default();
        write!(f, "process {} on `{name}`", self.pid)
    }
}

/// Whether a process of this machine is there; one that has ended and is not yet waited for is not.
fn lives(pid: u32) -> bool {
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    if test_kill_process(id) == Err(rustix::io::Errno::SRCH) {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(host: &str, pid: u32) -> Holder {
        Holder { token: "t".to_owned(), host: host.to_owned(), pid }
    }

    #[test]
    fn a_container_of_the_same_name_is_another_place_whose_processes_nobody_here_can_see() {
        let us = Holder::of_this_process("t");
        let name = us.host.split(' ').next().unwrap();
        let [boot, ids] = [1, 2].map(|at| us.host.split(' ').nth(at).unwrap_or_default());
        assert!(!boot.is_empty() && ids.starts_with("pid:["), "{}", us.host);
        // The first process of each has the same id, and may live.
        let theirs = holder(&format!("{name} {boot} pid:[1]"), us.pid);
        assert!(!us.may_replace(&theirs, false));
        assert_eq!(theirs.to_string(), format!("process {} on `{name}`", us.pid));
        // One of an earlier version says its name only, and is heard of or not.
        assert!(!us.may_replace(&holder(name, 0x7fff_fffe), false));
    }

    #[test]
    fn a_holder_is_replaced_when_it_is_silent_too_long_or_known_to_be_gone() {
        let us = Holder::of_this_process("t");
        // The parent of this process lives; no process has the greatest id.
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        let alive = holder(&us.host, u32::try_from(parent).unwrap());
        assert!(!us.may_replace(&alive, false));
        assert!(us.may_replace(&alive, true));
        assert!(us.may_replace(&holder(&us.host, 0x7fff_fffe), false));
        assert!(us.may_replace(&holder(&us.host, us.pid), false));
        assert!(!us.may_replace(&holder("elsewhere", 0x7fff_fffe), false));
    }
}
