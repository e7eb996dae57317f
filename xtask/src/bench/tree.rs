//! What a program and its children cost: CPU and memory by process, seen while they run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::measure::{children_of, own_of, peak_of};
use super::report::to_f64;

/// How often is looked; a process that is shorter is counted in the sum only.
const PERIOD: Duration = Duration::from_millis(25);

/// What a run cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Cost {
    pub(super) wall: Duration,
    /// CPU of all processes.
    pub(super) cpu: Duration,
    /// By the program's name: CPU as last seen, and the most memory in KiB.
    pub(super) by_process: BTreeMap<String, (Duration, u64)>,
}

impl Cost {
    /// What a program that runs, and its children, have cost so far, but for the time that passed.
    pub(super) fn so_far(root: u32) -> Self {
        let mut cost = Self::default();
        look(root, &mut cost);
        cost.cpu = cost.by_process.values().map(|(cpu, _)| *cpu).sum();
        cost
    }

    /// What it has cost since then, in so much time.
    #[must_use]
    pub(super) fn since(mut self, earlier: &Self, wall: Duration) -> Self {
        for (name, (cpu, _)) in &mut self.by_process {
            let before = earlier.by_process.get(name).map_or(Duration::ZERO, |(cpu, _)| *cpu);
            *cpu = cpu.saturating_sub(before);
        }
        Self { wall, cpu: self.cpu.saturating_sub(earlier.cpu), ..self }
    }

    /// The most memory of all processes together, in MiB, as if all had it at once. Nothing that
    /// was seen counts as without bound, so that it meets no target.
    pub(super) fn memory(&self) -> f64 {
        let seen = self.by_process.values().map(|(_, kib)| *kib).reduce(u64::saturating_add);
        mebibytes(seen)
    }

    /// The most memory of one program, in MiB, by the same rule.
    pub(super) fn memory_of(&self, program: &str) -> f64 {
        mebibytes(self.by_process.get(program).map(|(_, kib)| *kib))
    }
}

fn mebibytes(kib: Option<u64>) -> f64 {
    kib.map_or(f64::INFINITY, |kib| to_f64(kib) / 1024.0)
}

/// Runs a program to its end, from a file or from nothing; its output goes nowhere.
pub(super) fn run(mut program: Command, stdin: Option<&Path>) -> Result<Cost, String> {
    let input = match stdin {
        Some(path) => File::open(path).map(Stdio::from),
        None => Ok(Stdio::null()),
    };
    let input = input.map_err(|error| format!("opening the input of {program:?}: {error}"))?;
    program.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped());
    let before = children_of(std::process::id())?;
    let begun = Instant::now();
    let mut child = program.spawn().map_err(|error| format!("starting {program:?}: {error}"))?;
    let mut cost = Cost::default();
    let words = watch(&mut child, &mut cost);
    cost.wall = begun.elapsed();
    let status = child.wait().map_err(|error| format!("waiting for {program:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{program:?} ended with {status}: {words}"));
    }
    cost.cpu = children_of(std::process::id())?.saturating_sub(before);
    Ok(cost)
}

/// Looks until the end; gives what was said on stderr.
fn watch(child: &mut Child, cost: &mut Cost) -> String {
    let (done, ended) = channel::<()>();
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let text = stderr.and_then(|pipe| std::io::read_to_string(pipe).ok()).unwrap_or_default();
        drop(done);
        text
    });
    loop {
        look(child.id(), cost);
        // Nothing is sent: the channel ends when nobody holds stderr any more.
        if ended.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    reader.join().unwrap_or_default()
}

fn look(root: u32, cost: &mut Cost) {
    let mut family = vec![root];
    let parents = parents();
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(id, _)| *id));
        at += 1;
    }
    let mut now: BTreeMap<String, (Duration, u64)> = BTreeMap::new();
    for id in family {
        let Some((name, cpu, kib)) = one(id) else { continue };
        let sum = now.entry(name).or_default();
        *sum = (sum.0 + cpu, sum.1 + kib);
    }
    for (name, (cpu, kib)) in now {
        let most = cost.by_process.entry(name).or_default();
        *most = (most.0.max(cpu), most.1.max(kib));
    }
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| Some((id, parent(id)?))).collect()
}

fn parent(id: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}

/// A process's name, its own CPU, and the most memory that it had, in KiB.
fn one(id: u32) -> Option<(String, Duration, u64)> {
    let exe = std::fs::read_link(format!("/proc/{id}/exe")).ok()?;
    let name = exe.file_name()?.to_str()?.to_owned();
    Some((name, own_of(id).ok()?, peak_of(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_nobody_saw_meets_no_target() {
        let mut cost = Cost::default();
        assert_eq!((cost.memory(), cost.memory_of("one")), (f64::INFINITY, f64::INFINITY));
        cost.by_process.insert("one".to_owned(), (Duration::ZERO, 3 * 1024));
        cost.by_process.insert("other".to_owned(), (Duration::ZERO, 1024));
        assert_eq!((cost.memory(), cost.memory_of("one")), (4.0, 3.0));
    }
}
