//! Runs a program as its user would: stdin, stdout, stderr, exit, each wait with a deadline.

use std::{
    ffi::OsStr,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    task::JoinSet,
    time::timeout,
};

use crate::{
    failure::{fail, loud},
    process, programs,
};

/// How long any one wait may take before the test fails; long, because machines are shared.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A program with its arguments, not yet started.
#[derive(Debug)]
pub struct Program {
    command: Command,
}

impl Program {
    /// A program of this workspace, by name.
    pub fn named(name: &str) -> Self {
        Self::at(programs::path(name))
    }

    /// A program by its path.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { command: process::command(path.as_ref()) }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder it runs in.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it with all three pipes; it is killed when the returned value is dropped.
    #[track_caller]
    pub fn start(mut self) -> Running {
        let name = self.command.get_program().to_string_lossy().into_owned();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(self.command);
        let mut child = loud(&format!("starting `{name}`"), command.kill_on_drop(true).spawn());
        let diagnostics = Diagnostics::of(child.stderr.take());
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        Running { name, child, stdin, stdout, seen: String::new(), diagnostics }
    }

    /// Runs it to its end: writes `input`, closes stdin, reads everything, waits for the exit.
    pub async fn run(self, input: impl AsRef<[u8]>) -> Finished {
        self.start().finish_with(input.as_ref()).await
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    seen: String,
    diagnostics: Diagnostics,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| fail(&format!("`{}` has already ended", self.name)))
    }

    /// Writes to its stdin and flushes.
    pub async fn send(&mut self, text: &str) {
        let Some(stdin) = self.stdin.as_mut() else {
            fail(&format!("the stdin of `{}` is already closed", self.name));
        };
        let written = async {
            stdin.write_all(text.as_bytes()).await?;
            stdin.flush().await
        };
        let outcome = timeout(DEADLINE, written).await;
        match outcome {
            Ok(result) => loud(&self.story("writing to"), result),
            Err(_elapsed) => fail(&self.story("waiting for room in the stdin of")),
        }
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes our end of its stdout, as `head` does when it has enough.
    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// The next line of its stdout without the newline; `None` at the end.
    pub async fn line(&mut self) -> Option<String> {
        let stdout = self.stdout.as_mut()?;
        let mut line = String::new();
        let outcome = timeout(DEADLINE, stdout.read_line(&mut line)).await;
        match outcome {
            Ok(result) => drop(loud(&self.story("reading from"), result)),
            Err(_elapsed) => fail(&self.story("waiting for a line of")),
        }
        self.seen.push_str(&line);
        if line.is_empty() { None } else { Some(line.trim_end_matches('\n').to_owned()) }
    }

    /// The next message that fits, leaving out others; the end of its stdout fails the test.
    pub async fn message(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        while let Some(line) = self.line().await {
            let message = parse(&line);
            if fits(&message) {
                return message;
            }
        }
        fail(&self.story("waiting for a message that never came from"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let raw = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        let Some(id) = raw else { fail("a process id that is none") };
        loud(&self.story("signalling"), rustix::process::kill_process(id, signal));
    }

    /// Closes its stdin, reads the rest of its stdout and waits for its exit.
    pub async fn finish(self) -> Finished {
        self.finish_with(&[]).await
    }

    async fn finish_with(mut self, input: &[u8]) -> Finished {
        let mut stdin = self.stdin.take();
        let mut stdout = self.stdout.take();
        let mut rest = Vec::new();
        let feed = async {
            if let Some(pipe) = stdin.as_mut() {
                // A program that has seen enough closes its stdin: its exit tells the rest.
                drop(pipe.write_all(input).await);
                drop(pipe.flush().await);
            }
            stdin = None;
        };
        let read = async {
            if let Some(pipe) = stdout.as_mut() {
                drop(pipe.read_to_end(&mut rest).await);
            }
        };
        let child = &mut self.child;
        let all = timeout(DEADLINE, async {
            tokio::join!(feed, read);
            child.wait().await
        });
        let Ok(exit) = all.await else { fail(&self.story("waiting for the end of")) };
        let status = loud("waiting for a program", exit);
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        let stderr = self.diagnostics.all().await;
        Finished { status, stdout: self.seen, stderr }
    }

    fn story(&self, doing: &str) -> String {
        let Self { name, seen, diagnostics, .. } = self;
        let stderr = diagnostics.so_far();
        format!("{doing} `{name}`; its stdout so far:\n{seen}\nits stderr so far:\n{stderr}")
    }
}

/// A program that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

impl Finished {
    /// Its exit status; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Every line of its stdout as JSON; one that is none fails the test.
    pub fn messages(&self) -> Vec<Value> {
        self.stdout.lines().filter(|line| !line.is_empty()).map(parse).collect()
    }

    /// The messages of one type, whole.
    pub fn of_type(&self, kind: &str) -> Vec<Value> {
        let is_kind = |message: &Value| message.get("type").and_then(Value::as_str) == Some(kind);
        self.messages().into_iter().filter(is_kind).collect()
    }

    /// Fails the test, with all output, unless it ended with this status.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        if self.code() != Some(code) {
            let Self { status, stdout, stderr } = &self;
            fail(&format!(
                "expected exit {code}, got {status}\nstdout:\n{stdout}\nstderr:\n{stderr}"
            ));
        }
        self
    }
}

fn parse(line: &str) -> Value {
    loud(&format!("reading `{line}` as JSON"), serde_json::from_str(line))
}

/// Collects stderr while the program runs, so that it never waits for a reader.
#[derive(Debug)]
struct Diagnostics {
    text: Arc<Mutex<String>>,
    tasks: JoinSet<()>,
}

impl Diagnostics {
    fn of(pipe: Option<ChildStderr>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let mut tasks = JoinSet::new();
        if let Some(pipe) = pipe {
            tasks.spawn(collect(pipe, Arc::clone(&text)));
        }
        Self { text, tasks }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn all(mut self) -> String {
        while self.tasks.join_next().await.is_some() {}
        self.so_far()
    }
}

async fn collect(mut pipe: ChildStderr, text: Arc<Mutex<String>>) {
    let mut chunk = [0_u8; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        let read = String::from_utf8_lossy(chunk.get(..count).unwrap_or_default()).into_owned();
        text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&read);
    }
}
