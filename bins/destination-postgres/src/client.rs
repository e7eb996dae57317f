//! The way to the server: pooled connections, and patience with what passes.

use connector::retry;
use pg::{Error, Failure, Ident, Pool, Pooled};
use tokio::time::sleep;

use crate::{
    config::{Deletes, Options},
    failure::{setup_remedy, write_remedy},
    schema::Columns,
};

/// A server, and the schema in it that is ours.
#[derive(Debug)]
pub(crate) struct Client {
    pool: Pool,
    pub(crate) schema: Ident,
    /// The columns that new tables are made with; what their neighbours have unless asked.
    pub(crate) columns: Option<Columns>,
    pub(crate) deletes: Deletes,
}

/// Which failures are worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// What the server says will pass; a server that is away is told at once.
    Busy,
    /// Also a server that went away while we worked.
    Away,
}

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let pool = Pool::new(&options.settings, options.connections)?;
        let (schema, columns, deletes) = (options.schema.clone(), options.columns, options.deletes);
        Ok(Self { pool, schema, columns, deletes })
    }

    pub(crate) async fn get(&self) -> Result<Pooled, Error> {
        self.pool.get().await
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
