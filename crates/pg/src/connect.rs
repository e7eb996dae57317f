//! Connections: one that owns its task, and a pool of them.

use std::ops::{Deref, DerefMut};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::{task::JoinSet, time::timeout};

use crate::{Error, Failure, Settings, tls};

/// A connection and the task that drives it; dropping it ends both.
#[derive(Debug)]
pub struct Client {
    inner: tokio_postgres::Client,
    tasks: JoinSet<()>,
}

impl Client {
    /// Says goodbye to the server and waits until the connection is closed.
    pub async fn close(self) {
        let Self { inner, mut tasks } = self;
        drop(inner);
        while tasks.join_next().await.is_some() {}
    }
}

impl Deref for Client {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

/// Opens one connection, within the settings' connect timeout (10 s unless the URL says other).
pub async fn connect(settings: &Settings) -> Result<Client, Error> {
    let connector = tls::connector(settings.tls())?;
    let attempt = settings.config().connect(connector);
    let (inner, connection) = timeout(settings.patience(), Box::pin(attempt))
        .await
        .map_err(|_elapsed| timed_out(settings))?
        .map_err(|source| Error::connect(settings.target(), &source))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(source) = connection.await {
            tracing::debug!(%source, "a PostgreSQL connection ended");
        }
    });
    Ok(Client { inner, tasks })
}

/// Makes a pool of at most `size` connections; none is opened before it is asked for.
///
/// A connection is asked for a sign of life before it is handed out, and replaced without one.
pub fn pool(settings: &Settings, size: usize) -> Result<Pool, Error> {
    let connector = tls::connector(settings.tls())?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
    let manager = Manager::from_config(settings.config().clone(), connector, recycling);
    Pool::builder(manager)
        .max_size(size.max(1))
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(settings.patience()))
        .recycle_timeout(Some(settings.patience()))
        .build()
        .map_err(|source| Error::Url { reason: source.to_string() })
}

fn timed_out(settings: &Settings) -> Error {
    Error::Connect {
        target: Box::new(settings.target().clone()),
        failure: Failure::Unreachable,
        code: None,
        reason: format!("no answer within {} s", settings.patience().as_secs()),
    }
}
