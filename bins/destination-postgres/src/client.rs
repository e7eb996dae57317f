//! The way to the server: pooled connections, and patience with what passes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use connector::{Deletes, retry};
use futures_util::future::try_join;
use pg::{Error, Failure, Ident, Pool, Pooled};
use tokio::time::sleep;

use crate::{
    config::Options,
    failure::{setup_remedy, write_remedy},
    schema::Columns,
    seat::Seat,
};

/// A server, and the schema in it that is ours.
#[derive(Debug)]
pub(crate) struct Client {
    pool: Pool,
    seat: Seat,
    pub(crate) schema: Ident,
    /// The columns that new tables are made with; what their neighbours have unless asked.
    pub(crate) columns: Option<Columns>,
    pub(crate) deletes: Deletes,
    pub(crate) naming: Naming,
    /// Whether statements have names was decided by the configuration.
    naming_is_asked: bool,
    connections: usize,
}

/// Whether statements are sent under a name, so that the server parses them once a connection.
///
/// Behind a pool in transaction mode a name may be unknown, or another's, in the next transaction.
#[derive(Debug, Clone)]
pub(crate) struct Naming(Arc<AtomicBool>);

impl Naming {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn turn_off(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("a pool stands before the server: statements are sent without a name");
        }
    }

    /// Gives names up when a failure says that they do not last.
    pub(crate) fn learn(&self, error: &Error) {
        const UNKNOWN_OR_TAKEN: [&str; 2] = ["26000", "42P05"];
        if error.code().is_some_and(|code| UNKNOWN_OR_TAKEN.contains(&code)) {
            self.turn_off();
        }
    }
}

/// Which failures are worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// What the server says will pass; a server that is away is told at once.
    Busy,
    /// Also a server that went away while we worked.
    Away,
}

/// How often two connections are compared: others may use the pool at the same moment.
const ROUNDS: usize = 4;

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let pool = Pool::new(&options.settings, options.connections)?;
        let (schema, columns, deletes) = (options.schema.clone(), options.columns, options.deletes);
        let naming = Naming(Arc::new(AtomicBool::new(options.prepared.unwrap_or(true))));
        let naming_is_asked = options.prepared.is_some();
        let connections = options.connections;
        let seat = Seat::default();
        Ok(Self { pool, seat, schema, columns, deletes, naming, naming_is_asked, connections })
    }

    /// A connection of one's own.
    pub(crate) async fn get(&self) -> Result<Pooled, Error> {
        let _wanted = self.seat.leave();
        self.pool.get().await
    }

    /// A connection that others ask at the same time.
    pub(crate) async fn shared(&self) -> Result<Arc<Pooled>, Error> {
        self.seat.get(&self.pool).await
    }

    /// Learns from a question that failed; who asks next has another connection.
    pub(crate) fn learn(&self, error: &Error) {
        self.naming.learn(error);
        drop(self.seat.leave());
    }

    /// Finds out whether statements may have names: of two connections that are open at once, each
    /// has a process of the server for itself and keeps it, unless a pool serves them in turns.
    pub(crate) async fn find_out_naming(&self) -> Result<(), Error> {
        if self.naming_is_asked || self.connections < 2 {
            // One connection has nothing to be compared with; what was asked needs no proof.
            return if self.naming_is_asked { Ok(()) } else { self.compare_with_another().await };
        }
        let (one, other) = try_join(self.get(), self.get()).await?;
        self.compare(&one, &other).await
    }

    async fn compare_with_another(&self) -> Result<(), Error> {
        let one = self.get().await?;
        match pg::connect(self.pool.settings()).await {
            Ok(other) => self.compare(&one, &other).await,
            Err(_no_room) => {
                self.naming.turn_off();
                Ok(())
            }
        }
    }

    async fn compare(
        &self,
        one: &tokio_postgres::Client,
        other: &tokio_postgres::Client,
    ) -> Result<(), Error> {
        let (mut ones, mut others) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..ROUNDS {
            ones.insert(process(one).await?);
            others.insert(process(other).await?);
        }
        if ones.len() > 1 || others.len() > 1 || ones == others {
            self.naming.turn_off();
        }
        Ok(())
    }

    pub(crate) fn target(&self) -> &pg::Target {
        self.pool.settings().target()
    }

    pub(crate) fn setup_remedy(&self) -> String {
        let target = self.target();
        setup_remedy(&self.schema, &target.database, &target.user)
    }

    pub(crate) fn write_remedy(&self) -> String {
        write_remedy(&self.schema, &self.target().user)
    }
}

/// The number of the server's process that answers.
async fn process(client: &tokio_postgres::Client) -> Result<i32, Error> {
    let row = client.query_typed_one("SELECT pg_backend_pid()", &[]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| Error::query("asking which process answers", &error))
}

/// Tries again, with backoff, while the failure is one that passes.
///
/// What is tried must be safe to repeat: a commit whose answer was lost is repeated too.
pub(crate) async fn persist<T>(
    patience: Patience,
    attempt: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut failures = 0;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        failures += 1;
        let again = match error.failure() {
            Failure::Later => true,
            Failure::Unreachable => patience == Patience::Away,
            Failure::Credentials
            | Failure::Permission
            | Failure::Structure
            | Failure::Row
            | Failure::DiskFull
            | Failure::Internal => false,
        };
        let wait = retry::wait(failures, None, retry::jitter()).filter(|_| again);
        let Some(wait) = wait else { return Err(error) };
        tracing::warn!(%error, milliseconds = wait.as_millis(), "trying again");
        sleep(wait).await;
    }
}
