//! Connections: one that owns its task, and a pool of them.

use std::{
    ops::{Deref, DerefMut},
    pin::Pin,
};

use deadpool::managed::QueueMode;
use deadpool_postgres::{
    ConfigConnectImpl, Connect, Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_postgres_rustls::MakeRustlsConnect;

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

/// Opens one connection, within the settings' connect timeout for each host of the URL (10 s unless
/// it says other).
pub async fn connect(settings: &Settings) -> Result<Client, Error> {
    let connector = tls::connector(settings.tls())?;
    let encrypted = settings.encrypted();
    let attempts = async {
        let first = match settings.config().connect(connector.clone()).await {
            Err(first) => first,
            done => return done,
        };
        let Some(config) = other_way(&first, encrypted.as_ref()) else { return Err(first) };
        config.connect(connector).await.map_err(|second| telling(first, second))
    };
    let (inner, connection) = timeout(settings.patience(), Box::pin(attempts))
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

/// The settings to try next, if it was the server itself that refused the first and there are some.
fn other_way<'c>(
    refusal: &tokio_postgres::Error,
    encrypted: Option<&'c tokio_postgres::Config>,
) -> Option<&'c tokio_postgres::Config> {
    encrypted.filter(|_| refusal.as_db_error().is_some())
}

/// The failure to tell: a server that cannot go the other way has said in its first answer what is
/// wrong.
fn telling(first: tokio_postgres::Error, second: tokio_postgres::Error) -> tokio_postgres::Error {
    if second.as_db_error().is_some() { second } else { first }
}

/// Opens the connections of a pool.
struct Opener {
    inner: ConfigConnectImpl<MakeRustlsConnect>,
    encrypted: Option<tokio_postgres::Config>,
}

/// A connection and the task that drives it, once it is there.
type Opening<'o> = Pin<
    Box<
        dyn Future<Output = Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>>
            + Send
            + 'o,
    >,
>;

impl Connect for Opener {
    fn connect(&self, config: &tokio_postgres::Config) -> Opening<'_> {
        let opening = self.inner.connect(config);
        Box::pin(async move {
            let first = match opening.await {
                Err(first) => first,
                done => return done,
            };
            match other_way(&first, self.encrypted.as_ref()) {
                None => Err(first),
                Some(config) => {
                    self.inner.connect(config).await.map_err(|second| telling(first, second))
                }
            }
        })
    }
}

/// At most so many connections, each opened when it is first needed.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: deadpool_postgres::Pool,
    settings: Settings,
}

/// A connection on loan from a [`Pool`]; it goes back when dropped.
pub type Pooled = deadpool_postgres::Object;

impl Pool {
    /// Makes a pool of at most `size` connections, at least one; opens none yet.
    pub fn new(settings: &Settings, size: usize) -> Result<Self, Error> {
        let connector = tls::connector(settings.tls())?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let inner = ConfigConnectImpl { tls: connector };
        let opener = Opener { inner, encrypted: settings.encrypted() };
        let manager = Manager::from_connect(settings.config().clone(), opener, recycling);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(size.max(1))
            // The one that was used last has its buffers and statements; others stay small.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(settings.patience()))
            .build()
            .map_err(|source| Error::Url { reason: source.to_string() })?;
        Ok(Self { inner, settings: settings.clone() })
    }

    /// Lends a connection, waiting while all are on loan. One known to be closed is replaced; to
    /// ask each for a sign of life would cost a round trip, so [`discard`] one that failed.
    pub async fn get(&self) -> Result<Pooled, Error> {
        self.inner.get().await.map_err(|source| match source {
            PoolError::Backend(source) => Error::connect(self.settings.target(), &source),
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => timed_out(&self.settings),
        })
    }

    /// Where its connections go.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Closes a connection instead of giving it back; its transaction, if any, is rolled back.
pub fn discard(connection: Pooled) {
    drop(Pooled::take(connection));
}

fn timed_out(settings: &Settings) -> Error {
    Error::Connect {
        target: Box::new(settings.target().clone()),
        failure: Failure::Unreachable,
        code: None,
        reason: format!("no answer within {} s", settings.patience().as_secs()),
    }
}
