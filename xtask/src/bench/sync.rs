//! The whole pipe into PostgreSQL, beside the bare loader with the same documents.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::account::{self, Files};
use super::measure::{self, all_of};
use super::report::{Row, median};
use super::server::Server;
use super::stripe::Stripe;
use super::tree::Cost;
use super::{Options, release, tree};
use crate::suite::command;

/// The whole, and what it may cost beside the bare loader.
pub(super) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let (objects, records) = account::mixed(options.records);
    let stripe = Stripe::start(&objects, &[])?;
    let folder = super::folder()?;
    let server = Server::start(folder.path())?;
    split(folder.path(), &stripe)?;
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        let before = stripe.requests()?;
        let (cost, spent) = sync(&server, &stripe, folder.path())?;
        let requests = Some(stripe.requests()? - before);
        let row = Row::new("sync", "sync-engine sync", records, cost);
        ours.push(Row { server: Some(spent), requests, ..row });
        let (cost, spent) = load(&server, folder.path())?;
        bare.push(Row { server: Some(spent), ..Row::new("sync", "bare loader", records, cost) });
        parity(&server)?;
    }
    let (bare, ours) = (median(bare), median(ours));
    let whole = |row: &Row| (row.cost.cpu + row.server.unwrap_or_default()).as_secs_f64();
    let least = bare.as_ref().map_or(1.0, whole);
    let ours = ours.map(|row| {
        let (ratio, cpu) = (whole(&row) / least, row.micros());
        let memory = row.cost.memory();
        row.at_most("CPU with the server ÷ bare loader", ratio, 1.4)
            .at_most("µs CPU a record, three programs", cpu, 20.0)
            .at_most("MiB, three programs", memory, 96.0)
    });
    Ok(bare.into_iter().chain(ours).collect())
}

/// Memory of the whole at different sizes: it must not grow.
pub(super) fn memory(options: &Options) -> Result<Vec<Row>, String> {
    let folder = super::folder()?;
    let server = Server::start(folder.path())?;
    let mut rows = Vec::new();
    for size in [10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= options.records) {
        let (objects, records) = account::mixed(size);
        let stripe = Stripe::start(&objects, &[])?;
        let (cost, spent) = sync(&server, &stripe, folder.path())?;
        let row = Row::new("memory", format!("{records} records"), records, cost);
        let mut row = Row { server: Some(spent), ..row };
        for (name, most) in
            [("source-stripe", 32.0), ("destination-postgres", 48.0), ("sync-engine", 16.0)]
        {
            let memory = row.cost.memory_of(name);
            row = row.at_most(&format!("MiB of {name}"), memory, most);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Copies everything into an empty schema; what it cost, and what the server spent.
fn sync(server: &Server, stripe: &Stripe, folder: &Path) -> Result<(Cost, Duration), String> {
    server.psql(&["DROP SCHEMA IF EXISTS stripe CASCADE", "CHECKPOINT"])?;
    let process = server.process()?;
    let before = all_of(process)?;
    let cost = tree::run(program(stripe, folder, &["--postgres-url", &server.url()]), None)?;
    server.settle()?;
    Ok((cost, all_of(process)?.saturating_sub(before)))
}

/// `sync-engine sync` of the mixed account without limits.
pub(super) fn program(stripe: &Stripe, folder: &Path, target: &[&str]) -> Command {
    let mut program = command(release("sync-engine"));
    program.current_dir(folder).env("XDG_STATE_HOME", folder);
    program.args(["sync", "--stripe-api-key", "sk_test_0123456789abcdefghijklmn"]);
    program.args(["--stripe-base-url", &format!("http://{}", stripe.address())]);
    program.args(["--stripe-rate-limit", "1000000", "--source.endpoint_rate_limit", "1000000"]);
    program.args(["--streams", &account::streams().join(",")]).args(target);
    program
}

/// Every document of every stream into a file of its own, a line each.
fn split(folder: &Path, stripe: &Stripe) -> Result<(), String> {
    let told = |error: std::io::Error| format!("writing the documents: {error}");
    let files = Files::write(folder, stripe, &account::streams(), &json!({}))?;
    let mut read = files.read().stdout(Stdio::piped()).spawn().map_err(told)?;
    let mut outs = Vec::new();
    for name in account::streams() {
        let file = File::create(folder.join(name)).map_err(told)?;
        outs.push((
            format!("{{\"type\":\"record\",\"record\":{{\"stream\":\"{name}\",\"data\":"),
            BufWriter::new(file),
        ));
    }
    let lines = BufReader::new(read.stdout.take().ok_or("the source has no stdout")?);
    for line in lines.lines() {
        let line = line.map_err(told)?;
        let found =
            outs.iter_mut().find_map(|(head, out)| Some((line.strip_prefix(head.as_str())?, out)));
        let Some((rest, out)) = found else { continue };
        let document = rest.rsplit_once(",\"emitted_at\":").map_or(rest, |(data, _)| data);
        writeln!(out, "{document}").map_err(told)?;
    }
    for (_, mut out) in outs {
        out.flush().map_err(told)?;
    }
    let status = read.wait().map_err(told)?;
    if status.success() { Ok(()) } else { Err(format!("source-stripe ended with {status}")) }
}

/// Loads the same documents, stream by stream, into tables of the same columns.
fn load(server: &Server, folder: &Path) -> Result<(Cost, Duration), String> {
    server.psql(&["DROP SCHEMA IF EXISTS bench CASCADE", "CREATE SCHEMA bench", "CHECKPOINT"])?;
    let (mut cost, mut spent) = (Cost::default(), Duration::ZERO);
    for name in account::streams() {
        let like = format!(
            "CREATE TABLE bench.bare (LIKE stripe.\"{name}\" INCLUDING ALL EXCLUDING INDEXES)"
        );
        server.psql(&[&like, "ALTER TABLE bench.bare ADD PRIMARY KEY (id)"])?;
        let mut bare = command(release("xtask"));
        bare.args(["bare-load", &server.url(), "2"]);
        let one = measure::run(bare, &folder.join(name), server)?;
        cost.wall += one.wall;
        cost.cpu += one.client;
        spent += one.server;
        server.psql(&[&format!("ALTER TABLE bench.bare RENAME TO \"{name}\"")])?;
    }
    Ok((cost, spent))
}

/// Both hold the same documents.
fn parity(server: &Server) -> Result<(), String> {
    for name in account::streams() {
        let sum = |table: &str| {
            format!(
                "SELECT count(*)::text || sum(hashtextextended((_raw_data - '_updated_at')::text, 0)) FROM {table}"
            )
        };
        let same = format!(
            "DO $$ BEGIN IF ({}) IS DISTINCT FROM ({}) THEN RAISE 'the copies of {name} differ'; END IF; END $$",
            sum(&format!("stripe.\"{name}\"")),
            sum(&format!("bench.\"{name}\"")),
        );
        server.psql(&[&same]).map_err(|error| format!("comparing `{name}`: {error}"))?;
    }
    Ok(())
}
