//! What was measured, beside what is wanted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::tree::Cost;

/// One thing that was measured.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) case: &'static str,
    pub(super) step: String,
    /// What the CPU is divided by.
    pub(super) records: u64,
    pub(super) cost: Cost,
    /// CPU of a database server beside it.
    pub(super) server: Option<Duration>,
    /// Requests that were answered.
    pub(super) requests: Option<u64>,
    /// Figures without a target, by what they are of.
    pub(super) figures: Vec<(String, f64)>,
    pub(super) targets: Vec<Target>,
}

/// A figure and the most that it may be.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) what: String,
    pub(super) is: f64,
    pub(super) most: f64,
}

impl Row {
    pub(super) fn new(
        case: &'static str,
        step: impl Into<String>,
        records: u64,
        cost: Cost,
    ) -> Self {
        let (server, requests, figures, targets) = (None, None, Vec::new(), Vec::new());
        Self { case, step: step.into(), records, cost, server, requests, figures, targets }
    }

    /// Adds a figure.
    #[must_use]
    pub(super) fn figure(mut self, what: &str, is: f64) -> Self {
        self.figures.push((what.to_owned(), is));
        self
    }

    /// Adds what a figure may be at most.
    #[must_use]
    pub(super) fn at_most(mut self, what: &str, is: f64, most: f64) -> Self {
        self.targets.push(Target { what: what.to_owned(), is, most });
        self
    }

    /// CPU of the programs, in microseconds a record.
    pub(super) fn micros(&self) -> f64 {
        micros(self.cost.cpu, self.records)
    }

    fn json(&self) -> Value {
        let process = |(name, (cpu, kib)): (&String, &(Duration, u64))| {
            (name.clone(), json!({"cpu_s": cpu.as_secs_f64(), "peak_kib": kib}))
        };
        let by_process: BTreeMap<String, Value> =
            self.cost.by_process.iter().map(process).collect();
        let target = |target: &Target| json!({"what": target.what, "is": target.is, "most": target.most, "met": target.is_met()});
        json!({
            "case": self.case, "step": self.step, "records": self.records,
            "wall_s": self.cost.wall.as_secs_f64(), "cpu_s": self.cost.cpu.as_secs_f64(),
            "server_cpu_s": self.server.map(|time| time.as_secs_f64()),
            "cpu_us_a_record": self.micros(), "requests": self.requests,
            "by_process": by_process,
            "figures": self.figures.iter().cloned().collect::<BTreeMap<String, f64>>(),
            "targets": self.targets.iter().map(target).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let Cost { wall, cpu, by_process, .. } = &self.cost;
        let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut text = format!(
            "{:<8} {:<28} {:>8.3} {:>8.2} {:>8} {:>8.2} {:>8}",
            self.case,
            self.step,
            wall.as_secs_f64(),
            cpu.as_secs_f64(),
            optional(self.server.map(|time| format!("{:.2}", time.as_secs_f64()))),
            self.micros(),
            optional(self.requests.map(|count| count.to_string())),
        );
        for (name, (cpu, kib)) in by_process {
            let (cpu, mib) = (micros(*cpu, self.records), to_f64(*kib) / 1024.0);
            text.push_str(&format!("\n           {name}: {cpu:.2} µs a record, {mib:.1} MiB"));
        }
        for (what, is) in &self.figures {
            text.push_str(&format!("\n           {what}: {is:.2}"));
        }
        for target in &self.targets {
            let Target { what, is, most } = target;
            let verdict = if target.is_met() { "met" } else { "MISSED" };
            text.push_str(&format!("\n           {what}: {is:.2}, at most {most}: {verdict}"));
        }
        text
    }
}

impl Target {
    fn is_met(&self) -> bool {
        self.is <= self.most
    }
}

/// All rows, for people or for machines.
pub(super) fn render(rows: &[Row], json: bool) -> String {
    if json {
        return Value::from(rows.iter().map(Row::json).collect::<Vec<_>>()).to_string();
    }
    let head = format!(
        "{:<8} {:<28} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "case", "step", "wall s", "cpu s", "server s", "µs/rec", "requests"
    );
    let lines = rows.iter().map(Row::text);
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

/// The run in the middle, by CPU.
pub(super) fn median(mut rows: Vec<Row>) -> Option<Row> {
    rows.sort_by_key(|row| row.cost.cpu.saturating_add(row.server.unwrap_or_default()));
    let middle = rows.len() / 2;
    rows.into_iter().nth(middle)
}

/// A count as a number to divide by.
pub(super) fn to_f64(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn micros(time: Duration, records: u64) -> f64 {
    time.as_secs_f64() * 1e6 / to_f64(records.max(1))
}
