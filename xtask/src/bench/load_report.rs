//! What the case `load` came to: medians, ratios, and whether the targets are met.

use std::time::Duration;

use serde_json::{Value, json};

use super::measure::Cost;

/// Client CPU beyond the bare loader's, in microseconds a record.
const CLIENT: f64 = 4.0;
/// Memory, in MiB.
const MEMORY: f64 = 48.0;
/// Three times the size of one object, in MiB.
const HUGE_OBJECTS: f64 = 3.0 * 5.0;

/// The costs of one step, a round each.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) step: &'static str,
    pub(super) costs: Vec<Cost>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) records: usize,
    pub(super) measured: Vec<Measured>,
    /// What was loaded for its memory alone, and the peak in KiB.
    pub(super) memory: Vec<(&'static str, u64)>,
}

/// A target, what was measured, and whether that is within it.
struct Target {
    name: &'static str,
    limit: f64,
    value: f64,
    is_met: bool,
}

impl Target {
    fn at_most(name: &'static str, limit: f64, value: f64) -> Self {
        Self { name, limit, value, is_met: value <= limit }
    }

    fn at_least(name: &'static str, limit: f64, value: f64) -> Self {
        Self { name, limit, value, is_met: value >= limit }
    }
}

impl Measured {
    pub(super) const fn new(step: &'static str) -> Self {
        Self { step, costs: Vec::new() }
    }

    /// The median of each figure by itself.
    fn median(&self) -> Cost {
        Cost {
            wall: middle(self.costs.iter().map(|cost| cost.wall)),
            client: middle(self.costs.iter().map(|cost| cost.client)),
            server: middle(self.costs.iter().map(|cost| cost.server)),
            peak: middle(self.costs.iter().map(|cost| cost.peak)),
        }
    }
}

fn middle<T: Ord + Copy + Default>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Report {
    fn of(&self, step: &str) -> Cost {
        let found = self.measured.iter().find(|measured| measured.step == step);
        found.map_or_else(|| Measured::new("").median(), Measured::median)
    }

    /// Microseconds a record.
    fn micros(&self, time: Duration) -> f64 {
        let count = u32::try_from(self.records).unwrap_or(u32::MAX).max(1);
        time.as_secs_f64() * 1e6 / f64::from(count)
    }

    fn targets(&self) -> Vec<Target> {
        let [bare, copy, insert, unchanged] =
            ["bare loader", "COPY", "insert", "unchanged"].map(|step| self.of(step));
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        let cpu = |cost: &Cost| cost.client.saturating_add(cost.server);
        let steps = self.measured.iter().filter(|measured| is_ours(measured.step));
        let most = steps.map(|measured| measured.median().peak).max().unwrap_or_default();
        let beyond = self.micros(insert.client) - self.micros(bare.client);
        let mut targets = vec![
            Target::at_most("insert: client CPU beyond the bare loader's, µs", CLIENT, beyond),
            Target::at_least("insert: speed ÷ bare loader's", 0.9, ratio(bare.wall, insert.wall)),
            Target::at_least(
                "unchanged: speed ÷ insert's",
                5.0,
                ratio(insert.wall, unchanged.wall),
            ),
            Target::at_most("memory, MiB", MEMORY, mebibytes(most)),
            Target::at_most("bare loader: CPU ÷ COPY's", 1.3, ratio(cpu(&bare), cpu(&copy))),
        ];
        targets.extend(self.memory.iter().map(|(name, peak)| {
            let more = if name.starts_with("5 MB") { HUGE_OBJECTS } else { 0.0 };
            Target::at_most(name, MEMORY + more, mebibytes(*peak))
        }));
        targets
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let rounds = self.measured.first().map_or(0, |measured| measured.costs.len());
        let mut lines = vec![
            format!("{} records; CPU in µs a record; medians of {rounds}", self.records),
            format!(
                "{:<12} {:>8} {:>8} {:>8} {:>10} {:>8}",
                "step", "wall s", "client", "server", "÷ bare", "MiB"
            ),
        ];
        let bare = self.of("bare loader").wall.as_secs_f64();
        for measured in &self.measured {
            let cost = measured.median();
            lines.push(format!(
                "{:<12} {:>8.2} {:>8.1} {:>8.1} {:>10.2} {:>8.1}",
                measured.step,
                cost.wall.as_secs_f64(),
                self.micros(cost.client),
                self.micros(cost.server),
                cost.wall.as_secs_f64() / bare,
                mebibytes(cost.peak),
            ));
        }
        lines.push(
            "rows and content are equal after each step; unchanged rows not rewritten".into(),
        );
        for Target { name, limit, value, is_met } in self.targets() {
            let said = if is_met { "ok" } else { "missed" };
            lines.push(format!("{said:<7} {name}: {value:.2} (target {limit})"));
        }
        lines.join("\n")
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let step = |measured: &Measured| {
            let cost = measured.median();
            json!({
                "step": measured.step, "rounds": measured.costs.len(),
                "wall_seconds": cost.wall.as_secs_f64(), "peak_mib": mebibytes(cost.peak),
                "client_micros": self.micros(cost.client),
                "server_micros": self.micros(cost.server),
            })
        };
        let target = |Target { name, limit, value, is_met }: Target| json!({"target": name, "limit": limit, "value": value, "met": is_met});
        json!({
            "case": "load", "records": self.records,
            "steps": self.measured.iter().map(step).collect::<Vec<_>>(),
            "targets": self.targets().into_iter().map(target).collect::<Vec<_>>(),
        })
    }
}

/// Whether a step is one of destination-postgres.
fn is_ours(step: &str) -> bool {
    step != "bare loader" && step != "COPY"
}

/// Of KiB.
fn mebibytes(peak: u64) -> f64 {
    u32::try_from(peak).map_or(f64::MAX, f64::from) / 1024.0
}
