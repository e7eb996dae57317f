//! What is done to a call: who is struck, and when.

use std::pin::pin;
use std::time::Duration;

use testkit::family;
use testkit::postgres::Cluster;
use testkit::program::{Finished, Program, Running, Signal};
use testkit::programs;
use tokio::task::JoinSet;

use crate::copy::{Copy, Kind};
use crate::way::Way;

/// One of the processes of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Source,
    Destination,
    Engine,
}

/// When it happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// After so many messages of the program.
    Messages(usize),
    /// So long after the start.
    Millis(u64),
}

/// How much passes before an end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    Lines(u32),
    /// In the middle of a line, as a rule.
    Bytes(u32),
}

/// What happens to one call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blow {
    /// SIGKILL.
    Kill(Part, Moment),
    /// The source is gone after it has said so much.
    SourceSays(Cut),
    /// The destination is gone after it has said so much: rows are durable that nobody knows of.
    DestinationSays(Cut),
    /// The destination hears so much and no more, and is gone.
    DestinationHears(Cut),
    /// SIGTERM.
    Stop(Moment),
    /// `--state-limit`.
    StateLimit(u32),
    /// Files of the destination may not grow beyond so many blocks of 512 bytes.
    FullDisk(u32),
    /// Every connection to the database is ended by the server.
    Backends(Moment),
    /// Another session locks all rows for a moment, last first.
    Locks(Moment),
    /// The server crashes, and is started again.
    Server(Moment),
}

/// Passes on so much of what a connector says, and dies of SIGKILL.
const SAYS: &str = r#"
program=$1 verb=$2 amount=$3; shift 3
[ "$1" = "$verb" ] || exec "$program" "$@"
"$program" "$@" | head "$amount"
kill -KILL $$
"#;

/// Passes on so much of what a connector is told, and dies of SIGKILL.
const HEARS: &str = r#"
program=$1 verb=$2 amount=$3; shift 3
[ "$1" = "$verb" ] || exec "$program" "$@"
head "$amount" | "$program" "$@"
kill -KILL $$
"#;

/// Writing into a file beyond its allowance fails, as on a full disk, and is no signal.
const FULL: &str = r#"
program=$1 verb=$2 amount=$3; shift 3
[ "$1" = "$verb" ] || exec "$program" "$@"
trap '' XFSZ
ulimit -f "$amount"
exec "$program" "$@"
"#;

/// How long rows stay locked.
const LOCKED: &str = "SELECT pg_sleep(0.3)";

impl Blow {
    /// What it is called in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill(Part::Source, _) => "source killed",
            Self::Kill(Part::Destination, _) => "destination killed",
            Self::Kill(Part::Engine, _) => "engine killed",
            Self::SourceSays(Cut::Lines(_)) => "source gone between lines",
            Self::SourceSays(Cut::Bytes(_)) => "source gone within a line",
            Self::DestinationSays(_) => "destination gone after a commit",
            Self::DestinationHears(Cut::Lines(_)) => "destination gone between lines",
            Self::DestinationHears(Cut::Bytes(_)) => "destination gone within a line",
            Self::Stop(_) => "stopped by SIGTERM",
            Self::StateLimit(_) => "cut off by a limit",
            Self::FullDisk(_) => "disk full",
            Self::Backends(_) => "connections ended",
            Self::Locks(_) => "rows locked by another session",
            Self::Server(_) => "server crashed",
        }
    }

    /// Prepares a call for what is done from its beginning.
    pub(crate) fn prepare(self, program: Program, kind: Kind) -> Program {
        let name = kind.name();
        let around = |side: &str, verb: &str, script: &str, amount: &str| {
            let inner = match side {
                "source" => programs::path("source-stripe"),
                _ => programs::path(&format!("destination-{name}")),
            };
            let inner = inner.display();
            format!("/bin/sh -c '{}' wrap '{inner}' {verb} {amount}", script.replace('\'', r"'\''"))
        };
        let source = |script, amount: &str| {
            format!("source.stripe={}", around("source", "read", script, amount))
        };
        let destination = |script, amount: &str| {
            format!("destination.{name}={}", around("destination", "write", script, amount))
        };
        match self {
            Self::SourceSays(cut) => program.args(["--connector", &source(SAYS, &cut.amount())]),
            Self::DestinationSays(cut) => {
                program.args(["--connector", &destination(SAYS, &cut.amount())])
            }
            Self::DestinationHears(cut) => {
                program.args(["--connector", &destination(HEARS, &cut.amount())])
            }
            Self::FullDisk(blocks) => {
                program.args(["--connector", &destination(FULL, &blocks.to_string())])
            }
            Self::StateLimit(states) => program.args(["--state-limit", &states.to_string()]),
            Self::Kill(..)
            | Self::Stop(_)
            | Self::Backends(_)
            | Self::Locks(_)
            | Self::Server(_) => program,
        }
    }

    /// The same for calls that go on until they are stopped: those have no limits.
    pub(crate) fn fit_for(self, way: Way) -> Self {
        if let (Self::StateLimit(states), true) = (self, way.follows()) {
            return Self::Stop(Moment::Messages(usize::try_from(states).unwrap()));
        }
        self
    }

    /// Runs a call to its end and strikes; whether the blow hit. A call that follows and goes on
    /// is stopped after a while.
    pub(crate) async fn strike(
        self,
        program: Program,
        copy: &Copy,
        server: Option<&mut Cluster>,
        patience: Option<Duration>,
    ) -> (Finished, bool) {
        let running = program.start();
        let id = running.id();
        let struck = self.strike_running(running, copy, server);
        let Some(patience) = patience else { return struck.await };
        let mut struck = pin!(struck);
        tokio::select! {
            ended = &mut struck => return ended,
            () = tokio::time::sleep(patience) => {}
        }
        family::signal(id, Signal::TERM);
        struck.await
    }

    async fn strike_running(
        self,
        mut running: Running,
        copy: &Copy,
        server: Option<&mut Cluster>,
    ) -> (Finished, bool) {
        let (Self::Kill(_, moment)
        | Self::Stop(moment)
        | Self::Backends(moment)
        | Self::Locks(moment)
        | Self::Server(moment)) = self
        else {
            let finished = running.finish().await;
            let hit = finished.code() != Some(0);
            return (finished, hit);
        };
        let id = running.id();
        match moment {
            Moment::Messages(count) => {
                let came = messages(&mut running, count).await;
                let hit = came && self.hit(id, copy, server).await;
                (running.finish().await, hit)
            }
            Moment::Millis(millis) => {
                let struck = async {
                    // The moment is the point: nothing is waited for.
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    self.hit(id, copy, server).await
                };
                tokio::join!(running.finish(), struck)
            }
        }
    }

    async fn hit(self, engine: u32, copy: &Copy, server: Option<&mut Cluster>) -> bool {
        let child = |name| family::children(engine, name).into_iter().any(family::kill);
        match self {
            Self::Kill(Part::Source, _) => child("source-"),
            Self::Kill(Part::Destination, _) => child("destination-"),
            Self::Kill(Part::Engine, _) => family::kill(engine),
            Self::Stop(_) => family::signal(engine, Signal::TERM),
            Self::Backends(_) => end_connections(copy).await,
            Self::Locks(_) => lock_rows(copy).await,
            Self::Server(_) => server.is_some_and(|cluster| {
                cluster.crash();
                cluster.restart();
                true
            }),
            Self::SourceSays(_)
            | Self::DestinationSays(_)
            | Self::DestinationHears(_)
            | Self::StateLimit(_)
            | Self::FullDisk(_) => false,
        }
    }
}

impl Cut {
    /// As `head` takes it.
    fn amount(self) -> String {
        match self {
            Self::Lines(count) => format!("-n{count}"),
            Self::Bytes(count) => format!("-c{count}"),
        }
    }
}

/// Waits for so many lines; whether there were as many.
async fn messages(running: &mut Running, count: usize) -> bool {
    for _ in 0..count {
        if running.line().await.is_none() {
            return false;
        }
    }
    true
}

async fn end_connections(copy: &Copy) -> bool {
    let mut tasks = JoinSet::new();
    let Some(client) = copy.client(&mut tasks).await else { return false };
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.simple_query(others).await.is_ok_and(|rows| rows.len() > 1)
}

async fn lock_rows(copy: &Copy) -> bool {
    let mut tasks = JoinSet::new();
    let Some(client) = copy.client(&mut tasks).await else { return false };
    let tables = "SELECT quote_ident(tablename) FROM pg_tables \
                  WHERE schemaname = 'stripe' AND tablename NOT LIKE '\\_%' ORDER BY 1 DESC";
    let Ok(tables) = client.query(tables, &[]).await else { return false };
    let locks: Vec<String> = tables
        .iter()
        .map(|row| {
            let table: String = row.get(0);
            format!("SELECT 1 FROM stripe.{table} ORDER BY id DESC FOR UPDATE")
        })
        .collect();
    // A deadlock is the destination's to resolve, or ours: either is what was wanted.
    let all = format!("BEGIN; {}; {LOCKED}; COMMIT", locks.join("; "));
    drop(client.simple_query(&all).await);
    !locks.is_empty()
}
