//! One run of a pipeline at a time: who holds it, and whether that one still lives.

use std::fmt;

use rustix::process::{Pid, test_kill_process};

/// A process that runs a pipeline, or wants to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// A name that no other process has had; every write of state is made in it.
    pub token: String,
    /// The machine's name.
    pub host: String,
    /// The process's id there.
    pub pid: u32,
}

/// How long a holder may be silent before it has lost the pipeline, in seconds.
pub(super) const EXPIRY_SECONDS: i32 = 20;

impl Holder {
    /// This process, under a name of its own.
    #[must_use]
    pub fn of_this_process(token: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
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
        write!(f, "process {} on `{}`", self.pid, self.host)
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
