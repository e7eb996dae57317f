//! Time, CPU and memory of one program, and CPU of the server beside it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::server::Server;

/// Hundredths of a second of the kernel's clock in one.
const TICK: Duration = Duration::from_millis(10);
/// How often a program's memory is looked at; the kernel keeps its peak in between.
const LOOK: Duration = Duration::from_millis(20);

/// What a step took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// From start to end.
    pub(super) wall: Duration,
    /// CPU of the program.
    pub(super) client: Duration,
    /// CPU of the server.
    pub(super) server: Duration,
    /// Most memory that the program had, in KiB.
    pub(super) peak: u64,
}

/// Runs a program to its end with a file as its stdin.
pub(super) fn run(mut program: Command, stdin: &Path, server: &Server) -> Result<Cost, String> {
    let process = server.process()?;
    let input =
        File::open(stdin).map_err(|error| format!("opening `{}`: {error}", stdin.display()))?;
    program.stdin(input).stdout(Stdio::null());
    let (client_before, server_before) = (children_of(std::process::id())?, all_of(process)?);
    let begun = Instant::now();
    let child = program.spawn().map_err(|error| format!("starting {program:?}: {error}"))?;
    let (status, peak) =
        watch(child).map_err(|error| format!("waiting for {program:?}: {error}"))?;
    let wall = begun.elapsed();
    if !status.success() {
        return Err(format!("{program:?} ended with {status}"));
    }
    let client = children_of(std::process::id())?.saturating_sub(client_before);
    // What served it is counted once it has ended, which is a moment later.
    server.settle()?;
    Ok(Cost { wall, client, server: all_of(process)?.saturating_sub(server_before), peak })
}

/// Waits for the end, which is noticed at once, and looks at the memory meanwhile.
fn watch(mut child: Child) -> std::io::Result<(ExitStatus, u64)> {
    let process = child.id();
    let (going_on, end) = sync_channel::<()>(0);
    std::thread::scope(|scope| {
        let peak = scope.spawn(move || peak_until(process, &end));
        let status = child.wait();
        drop(going_on);
        Ok((status?, peak.join().unwrap_or_default()))
    })
}

/// The most memory that a process has had until the other side is dropped, in KiB.
fn peak_until(process: u32, end: &Receiver<()>) -> u64 {
    let mut peak = 0;
    loop {
        peak = peak_of(process).unwrap_or_default().max(peak);
        if end.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
            return peak;
        }
    }
}

/// The most memory that a process has had, in KiB; nothing once it has ended.
pub(super) fn peak_of(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// CPU of a process itself.
pub(super) fn own_of(process: u32) -> Result<Duration, String> {
    times(process).map(|times| times.iter().take(2).sum())
}

/// CPU of a process's children that have ended.
pub(super) fn children_of(process: u32) -> Result<Duration, String> {
    times(process).map(|times| times.iter().skip(2).sum())
}

/// The same and its own.
pub(super) fn all_of(process: u32) -> Result<Duration, String> {
    times(process).map(|times| times.iter().sum())
}

/// User and system time of a process, then of its children: fields 14 to 17 of `/proc/PID/stat`.
fn times(process: u32) -> Result<Vec<Duration>, String> {
    let path = format!("/proc/{process}/stat");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("reading `{path}`: {error}"))?;
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u32>().ok());
    Ok(ticks.map(|ticks| TICK.saturating_mul(ticks)).collect())
}
