//! The step between the engine and a connector: tie the child's life to the engine's, then become it.
//!
//! A process can ask to be killed when its parent dies, but only for itself. So the engine starts
//! itself, with a hidden verb, as the process that asks and then executes the connector.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// Why a child did not become a connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The step is the engine's to call.
    #[error("`__child` is called by the engine itself and takes its process id and a program")]
    Usage,
    /// The engine died meanwhile.
    #[error("the engine has ended")]
    Orphaned,
    /// The program could not be executed.
    #[error("starting `{}`: {source}", path.display())]
    Exec {
        /// The program.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Becomes the program named in `args`, which are: the engine's process id, the program, its
/// arguments. Returns only when that fails.
///
/// The kernel's promise is to the thread that started the child: whoever calls the engine must not
/// start children from a thread that ends before the run does.
#[must_use]
pub fn become_program(args: &[OsString]) -> StepError {
    let [parent, path, args @ ..] = args else { return StepError::Usage };
    let Some(parent) = parent.to_str().and_then(|text| text.parse::<i32>().ok()) else {
        return StepError::Usage;
    };
    if !tie_to(parent) {
        return StepError::Orphaned;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a child becomes a connector"
    )]
    let source = std::process::Command::new(path).args(args).exec();
    StepError::Exec { path: PathBuf::from(path), source }
}

#[cfg(target_os = "linux")]
fn tie_to(parent: i32) -> bool {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let tied = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // Asked after the tie: a parent that died before it is another one now.
    tied && getppid().is_some_and(|now| now.as_raw_nonzero().get() == parent)
}

#[cfg(not(target_os = "linux"))]
const fn tie_to(_parent: i32) -> bool {
    true
}
