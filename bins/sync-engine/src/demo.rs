//! `sync-engine demo`: a made-up Stripe account, a real sync, a file to look into.

use std::time::Duration;

use engine::child::{Child, Launcher};
use engine::resolve::Program;
use engine::{Failure, Given, Side};
use protocol::{Class, exit};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::cli::{ConnectionArgs, DemoArgs, StateArgs};
use crate::output::{Plain, Volume, Watcher, summary};
use crate::session;
use crate::settings::{Settings, connector, selected};
use crate::surroundings::Surroundings;
use crate::sync::run_job;
use crate::table;

/// The account: streams and how many objects each has.
const OBJECTS: [(&str, u32); 13] = [
    ("products", 40),
    ("prices", 90),
    ("coupons", 15),
    ("customers", 800),
    ("subscriptions", 450),
    ("invoices", 1200),
    ("invoiceitems", 300),
    ("payment_intents", 900),
    ("charges", 1100),
    ("refunds", 60),
    ("balance_transactions", 1100),
    ("payouts", 50),
    ("disputes", 8),
];

/// Questions that people ask of such a copy, and how to ask them.
const QUERIES: [(&str, &str); 3] = [
    (
        "Which customers have paid most?",
        "SELECT coalesce(c.email, c.id) AS customer, count(*) AS charges, sum(ch.amount) / 100.0 AS paid, ch.currency
FROM charges ch JOIN customers c ON c.id = ch.customer
WHERE ch.status = 'succeeded' GROUP BY c.id, ch.currency ORDER BY paid DESC, c.id LIMIT 5",
    ),
    (
        "How do the subscriptions stand?",
        "SELECT status, count(*) AS subscriptions
FROM subscriptions GROUP BY status ORDER BY subscriptions DESC, status",
    ),
    (
        "What was charged, month by month?",
        "SELECT strftime('%Y-%m', created, 'unixepoch') AS month, count(*) AS charges, sum(amount) / 100.0 AS amount, currency
FROM charges WHERE status = 'succeeded' GROUP BY month, currency ORDER BY month DESC, amount DESC LIMIT 6",
    ),
];

/// How long the made-up account may take to answer.
const START: Duration = Duration::from_secs(60);

/// Runs it; returns the exit status.
pub(crate) async fn run(args: &DemoArgs, surroundings: &Surroundings) -> Result<u8, Failure> {
    let (stripe, url) = start_stripe(surroundings).await?;
    let settings = Settings {
        source: Given {
            connector: connector("stripe", [("api_key", "sk_test_demo"), ("base_url", &url)]),
            // A loopback server may be asked faster than Stripe.
            texts: [("rate_limit", "10000"), ("endpoint_rate_limit", "10000")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        },
        destination: Given {
            connector: connector("sqlite", [("path", args.path.as_str())]),
            texts: std::collections::BTreeMap::new(),
        },
        streams: selected(&OBJECTS.map(|(stream, _)| stream.to_owned())),
    };
    let host = session::host(&ConnectionArgs::default(), &settings, surroundings)?;
    let job = session::job(settings, &StateArgs::default());
    let volume = Volume::of(args.quiet, 0);
    let mut watcher = match session::live(surroundings) {
        Some(live) if !args.quiet => Watcher::live(live, false),
        _ => Watcher::new(Plain::new(volume), false),
    };
    let outcome = run_job(&job, &host, &mut watcher).await?;
    drop(stripe);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(status) => return Ok(status),
    };
    for line in summary(&outcome, volume) {
        crate::say(&line);
    }
    if outcome.exit == exit::OK {
        crate::print(&answers(&args.path)?);
    }
    Ok(outcome.exit)
}

/// Starts the made-up account; it ends when the returned child is dropped, or dies with us.
async fn start_stripe(surroundings: &Surroundings) -> Result<(Child, String), Failure> {
    let failed = |message: String| Failure::new(Side::Source, Class::Config, "demo", message);
    let resolver = session::resolver(&[], surroundings)?;
    let path = resolver.find("fake-stripe").ok_or_else(|| {
        failed("no program `fake-stripe` beside this one or in PATH; build it with `cargo build --bins`".to_owned())
    })?;
    let objects = OBJECTS.map(|(stream, number)| format!("{stream}={number}")).join(",");
    let args = ["--port", "0", "--until-stdin-closes", "--objects", &objects];
    let program = Program {
        name: "fake-stripe".to_owned(),
        path,
        args: args.map(std::ffi::OsString::from).to_vec(),
    };
    let launcher = Launcher { step: session::step(), listener: None, patience: None };
    let mut child = launcher.start_helper(&program).map_err(|error| failed(error.to_string()))?;
    let heard = tokio::time::timeout(START, address(&mut child)).await.ok().flatten();
    match heard {
        Some(url) => Ok((child, url)),
        None => {
            let words = child.last_words().join("; ");
            Err(failed(format!("fake-stripe did not say where it listens: {words}")))
        }
    }
}

/// From its first line, `{"listening":"http://127.0.0.1:PORT"}`.
async fn address(child: &mut Child) -> Option<String> {
    let mut stdout = child.take_stdout()?;
    let line = stdout.next().await.ok().flatten()?;
    let line: Value = serde_json::from_slice(line).ok()?;
    line.get("listening")?.as_str().map(str::to_owned)
}

/// The questions, how they are asked, and what the copy says.
fn answers(path: &str) -> Result<String, Failure> {
    let failed = |error: rusqlite::Error| {
        let message = format!("asking `{path}`: {error}");
        Failure::new(Side::Destination, Class::Internal, "demo", message)
    };
    let copy =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    let mut text = String::new();
    for (question, query) in QUERIES {
        let answer = answer(&copy, query).map_err(failed)?;
        text.push_str(&format!("\n{question}\n\n{query};\n\n{answer}"));
    }
    text.push_str(&format!("\nAsk it yourself: sqlite3 {path}\n"));
    Ok(text)
}

fn answer(copy: &Connection, query: &str) -> rusqlite::Result<String> {
    let mut statement = copy.prepare(query)?;
    let heading: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut cells = Vec::new();
    while let Some(row) = rows.next()? {
        let row: rusqlite::Result<Vec<String>> =
            (0..heading.len()).map(|at| Ok(cell(row.get_ref(at)?))).collect();
        cells.push(row?);
    }
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    Ok(table::render(&heading, &cells))
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:.2}"),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
