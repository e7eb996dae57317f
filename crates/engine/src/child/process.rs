//! One connector process: started, talked to, stopped, outlived by nobody.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::ndjson::Reader;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;

use super::documents::{Document, attach};
use super::tail::Tail;
use crate::resolve::Program;

/// Bytes that a pipe to or from a child may hold; Linux allows everybody so many
/// (`/proc/sys/fs/pipe-max-size`).
#[cfg(target_os = "linux")]
const PIPE: usize = 1024 * 1024;

/// Is told every line that a child writes to stderr: the child's name, the line without secrets.
pub type Listener = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// How children are started.
#[derive(Clone, Default)]
pub struct Launcher {
    /// A program and its first arguments, put before the connector's own command line: the step
    /// that ties a child to this process. Empty starts connectors directly.
    pub step: Vec<OsString>,
    /// Who hears what children say on stderr while they run.
    pub listener: Option<Listener>,
    /// How long a child may take to answer one question; none is for ever.
    pub patience: Option<Duration>,
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").field("step", &self.step).finish_non_exhaustive()
    }
}

/// Why a child could not be started or waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// It did not start.
    #[error("starting `{path}` as {name}: {source}")]
    Start {
        /// The connector's name.
        name: String,
        /// The program's path.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Its end could not be learned.
    #[error("waiting for {name} to end: {source}")]
    Wait {
        /// The connector's name.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct End {
    /// Name and verb, such as `source-stripe read`.
    pub name: String,
    /// Exit status or signal.
    pub status: ExitStatus,
    /// The last lines it wrote to stderr.
    pub last_words: Vec<String>,
    asked_to_stop: bool,
}

impl End {
    /// Whether it ended well: with 0, or of the signal that it was sent.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let of_our_signal = matches!(self.status.signal(), Some(SIGTERM | SIGKILL))
            || self.status.code() == Some(i32::from(protocol::exit::TERMINATED));
        self.status.success() || (self.asked_to_stop && of_our_signal)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "{} exited with status {code}", self.name)?,
            (None, Some(signal)) => write!(f, "{} was killed by signal {signal}", self.name)?,
            (None, None) => write!(f, "{} ended", self.name)?,
        }
        last_words(f, &self.last_words)
    }
}

fn last_words(f: &mut fmt::Formatter<'_>, words: &[String]) -> fmt::Result {
    match words {
        [] => f.write_str("; it said nothing on stderr"),
        [one] => write!(f, "; its last words: {one}"),
        many => write!(f, "; its last words:\n    {}", many.join("\n    ")),
    }
}

const SIGTERM: i32 = Signal::TERM.as_raw();
const SIGKILL: i32 = Signal::KILL.as_raw();

/// How long stderr may stay open after a child ended: a grandchild may hold it.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(500);

/// A running connector. Dropping it kills its process group.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: tokio::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Reader<ChildStdout>>,
    tail: Arc<Mutex<Tail>>,
    listening: JoinSet<()>,
    asked_to_stop: bool,
}

impl Launcher {
    /// Starts a program that is no connector, with its own arguments; its stdin is a pipe.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_helper(&self, program: &Program) -> Result<Child, ChildError> {
        self.spawn(program, self.command(program), program.name.clone(), Stdio::piped())
    }

    /// Starts a connector with a verb; its stdin is a pipe or empty.
    pub(crate) fn start(
        &self,
        program: &Program,
        verb: &str,
        documents: &[Document],
        piped: bool,
    ) -> Result<Child, ChildError> {
        let mut command = self.command(program);
        let args =
            attach(&mut command, documents).map_err(|source| not_started(program, source))?;
        command.args(verb.split(' ')).args(args);
        let stdin = if piped { Stdio::piped() } else { Stdio::null() };
        self.spawn(program, command, format!("{} {verb}", program.name), stdin)
    }

    fn spawn(
        &self,
        program: &Program,
        mut command: Command,
        name: String,
        stdin: Stdio,
    ) -> Result<Child, ChildError> {
        let failed = |source| not_started(program, source);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // The step always starts; that its program is missing must be seen before.
        program.path.metadata().map_err(failed)?;
        let mut process = command.spawn().map_err(failed)?;
        process.stdin.as_ref().inspect(|pipe| widen(pipe));
        process.stdout.as_ref().inspect(|pipe| widen(pipe));
        let mut child = Child {
            name,
            stdin: process.stdin.take(),
            stdout: process.stdout.take().map(Reader::new),
            tail: Arc::default(),
            listening: JoinSet::new(),
            asked_to_stop: false,
            process,
        };
        child.listen(self.listener.clone());
        Ok(child)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where children start")]
    fn command(&self, program: &Program) -> Command {
        let mut command = match self.step.split_first() {
            None => Command::new(&program.path),
            Some((step, args)) => {
                let mut command = Command::new(step);
                command.args(args).arg(&program.path);
                command
            }
        };
        command.args(&program.args);
        command
    }
}

fn not_started(program: &Program, source: io::Error) -> ChildError {
    let path = program.path.display().to_string();
    ChildError::Start { name: program.name.clone(), path, source }
}

impl Child {
    /// Name and verb, such as `source-stripe read`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The child's input, once.
    pub const fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// The child's output, once.
    pub const fn take_stdout(&mut self) -> Option<Reader<ChildStdout>> {
        self.stdout.take()
    }

    /// Asks the child to stop (SIGTERM to its group).
    pub fn terminate(&mut self) {
        self.asked_to_stop = true;
        self.signal(Signal::TERM);
    }

    /// Ends the child and its group at once.
    pub fn kill(&mut self) {
        self.asked_to_stop = true;
        self.signal(Signal::KILL);
    }

    /// What it said on stderr last.
    #[must_use]
    pub fn last_words(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).lines()
    }

    /// Waits for its end; whatever is still open of its pipes is closed.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell how it ended.
    pub async fn wait(&mut self) -> Result<End, ChildError> {
        drop(self.stdin.take());
        drop(self.stdout.take());
        let status = self.process.wait().await;
        let status =
            status.map_err(|source| ChildError::Wait { name: self.name.clone(), source })?;
        let heard = async { while self.listening.join_next().await.is_some() {} };
        // Not heard to the end is no failure: the words so far are what is told.
        drop(tokio::time::timeout(LAST_WORDS_WAIT, heard).await);
        Ok(End {
            name: self.name.clone(),
            status,
            last_words: self.last_words(),
            asked_to_stop: self.asked_to_stop,
        })
    }

    fn listen(&mut self, listener: Option<Listener>) {
        let Some(stderr) = self.process.stderr.take() else { return };
        let (tail, name) = (Arc::clone(&self.tail), self.name.clone());
        self.listening.spawn(async move { drain(stderr, &tail, &name, listener.as_ref()).await });
    }

    /// The id is there until the child was waited for, so no other process can be meant.
    fn signal(&self, signal: Signal) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id {
            // A group that has just ended needs no signal.
            kill_process_group(group, signal).ok();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn drain(
    mut stderr: ChildStderr,
    tail: &Mutex<Tail>,
    name: &str,
    listener: Option<&Listener>,
) {
    let mut piece = vec![0; 8192];
    while let Ok(count) = stderr.read(&mut piece).await {
        let Some(piece) = piece.get(..count).filter(|piece| !piece.is_empty()) else { return };
        let lines = tail.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        if let Some(listener) = listener {
            for line in &lines {
                listener(name, line);
            }
        }
    }
}

/// Lets a pipe hold as much as is written at once: each side then works while the other does. The
/// system may refuse; the pipe is as wide as it was then.
fn widen(pipe: impl AsFd) {
    #[cfg(target_os = "linux")]
    rustix::pipe::fcntl_setpipe_size(pipe, PIPE).ok();
    #[cfg(not(target_os = "linux"))]
    let _unused = pipe;
}
