//! Cases of the source alone: all pages as fast as they come, and with a slow Stripe.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::account::{self, Files};
use super::report::{Row, median};
use super::stripe::Stripe;
use super::{Options, release, tree};
use crate::suite::command;

/// `source-stripe read` beside the least that reads the same pages.
pub(super) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let (objects, records) = account::mixed(options.records);
    let stripe = Stripe::start(&objects, &[])?;
    let folder = super::folder()?;
    let files = Files::write(folder.path(), &stripe, &account::streams(), &json!({}))?;
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        let mut client = command(release("xtask"));
        client.arg("bare-drain").arg(stripe.address()).args(account::streams());
        bare.push(Row::new("drain", "bare HTTP client", records, tree::run(client, None)?));
        let before = stripe.requests()?;
        let cost = tree::run(files.read(), None)?;
        let requests = stripe.requests()? - before;
        ours.push(Row {
            requests: Some(requests),
            ..Row::new("drain", "source-stripe", records, cost)
        });
    }
    let ours = median(ours).map(|row| {
        let (cpu, memory) = (row.micros(), row.cost.memory());
        row.at_most("µs CPU a record", cpu, 8.0).at_most("MiB", memory, 32.0)
    });
    Ok(median(bare).into_iter().chain(ours).collect())
}

/// 500 pages up to now, a tenth of a second each, a hundred at a time.
pub(super) fn latency(options: &Options) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (history, most) in [("uniform", 1.3), ("skewed", 2.0), ("one-second", 500.0 * 0.1 * 1.05)] {
        let newest = now().to_string();
        let flags = ["--latency-ms", "100", "--distribution", history, "--newest", &newest];
        let stripe = Stripe::start("customers=50000", &flags)?;
        let folder = super::folder()?;
        let more = json!({"max_in_flight": 100});
        let files = Files::write(folder.path(), &stripe, &["customers"], &more)?;
        // A chain of pages takes its time, which once is enough to see.
        let rounds = if history == "one-second" { 1 } else { options.rounds.max(1) };
        let mut runs = Vec::new();
        for _ in 0..rounds {
            let before = stripe.requests()?;
            let cost = tree::run(files.read(), None)?;
            let requests = Some(stripe.requests()? - before);
            runs.push(Row { requests, ..Row::new("latency", history, 50_000, cost) });
        }
        runs.sort_by_key(|row| row.cost.wall);
        let middle = runs.len() / 2;
        let row = runs.into_iter().nth(middle);
        rows.extend(row.map(|row| {
            let seconds = row.cost.wall.as_secs_f64();
            row.at_most("seconds", seconds, most)
        }));
    }
    Ok(rows)
}

/// Unix seconds: an account that is in use has objects of this moment.
fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a measurement is made at its own time")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// The beginning of an object of a page, and of its id.
const ID: &str = "\n      \"id\": \"";

/// Reads every page of these streams over one connection, one after the other, and looks for
/// nothing but what the next request needs.
pub(crate) fn bare(address: &str, streams: &[String]) -> Result<String, String> {
    let told = |error: std::io::Error| format!("reading pages of `{address}`: {error}");
    let mut stream = TcpStream::connect(address).map_err(told)?;
    let mut answers = BufReader::with_capacity(256 * 1024, stream.try_clone().map_err(told)?);
    let (mut body, mut pages) = (Vec::new(), 0_u64);
    for name in streams {
        let mut after = String::new();
        loop {
            // In one piece: a request in several waits for the other side's acknowledgement.
            let request = format!(
                "GET /v1/{name}?limit=100{after} HTTP/1.1\r\nHost: {address}\r\n\
                 Authorization: Bearer sk_test_0123456789abcdefghijklmn\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).map_err(told)?;
            receive(&mut answers, &mut body).map_err(told)?;
            pages += 1;
            let text = String::from_utf8_lossy(&body);
            let Some((_, last)) =
                text.rsplit_once(ID).filter(|_| text.contains("\"has_more\": true"))
            else {
                break;
            };
            let id = last.split('"').next().unwrap_or_default();
            after = format!("&starting_after={id}");
        }
    }
    Ok(format!("{pages} pages"))
}

fn receive(answers: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
    }
    body.resize(length, 0);
    answers.read_exact(body)
}
