//! A cluster and its databases.

use std::{
    io,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use pg::{Client, Ident, Settings};
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

use super::server::{self, Account, PASSWORD, Server, USER};
use crate::failure::{fail, loud};

/// Another program may take a port between our choice and the server's start.
const PORT_TRIES: u32 = 5;

/// A throwaway PostgreSQL cluster on loopback; gone, with its folder, when dropped and also when
/// the test process is killed.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    port: u16,
    account: Account,
    binaries: PathBuf,
    folder: TempDir,
    databases: AtomicU32,
}

impl Cluster {
    /// Makes a cluster of its own and starts it; for tests that stop or break the server.
    pub fn start() -> Self {
        loud("starting a scratch PostgreSQL", Self::make())
    }

    /// The same, and it offers TLS with this certificate and key (PEM).
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        let mut cluster = Self::start();
        cluster.crash();
        let offered = server::offer_tls(cluster.account, &cluster.data_folder(), certificate, key);
        loud("preparing a scratch PostgreSQL for TLS", offered);
        cluster.restart();
        cluster
    }

    /// The cluster of this test process, started when first asked for.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The port that the server listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds the data.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The superuser's URL of a database.
    pub fn url(&self, database: &str) -> String {
        self.url_as(USER, PASSWORD, database)
    }

    /// Any user's URL of a database; user and password are taken as they are.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database with a name of its own.
    pub async fn create_database(&self) -> Database<'_> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let quoted = loud("naming a database", Ident::new(&name));
        let client = connect(&self.url("postgres")).await;
        let made = client.batch_execute(&format!("CREATE DATABASE {quoted}")).await;
        loud(&format!("creating database `{name}`"), made);
        client.close().await;
        Database { cluster: self, name }
    }

    /// Ends the server as a crash would; data stays.
    pub fn crash(&mut self) {
        self.server.stop(true);
    }

    /// Starts a crashed server again, on the same port with the same data.
    pub fn restart(&mut self) {
        let started = Server::start(self.account, &self.binaries, self.folder.path(), self.port);
        self.server = loud("starting PostgreSQL again", started);
    }

    fn make() -> io::Result<Self> {
        let account = Account::choose()?;
        let binaries = server::binaries()?;
        let folder = tempfile::Builder::new().prefix("sync-engine-pg-").tempdir()?;
        account.own(folder.path())?;
        server::initialise(account, &binaries, folder.path())?;
        let mut tries = PORT_TRIES;
        let (server, port) = loop {
            let port = server::free_port()?;
            tries -= 1;
            match Server::start(account, &binaries, folder.path(), port) {
                Ok(server) => break (server, port),
                Err(_taken) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        };
        Ok(Self { server, port, account, binaries, folder, databases: AtomicU32::new(1) })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server.stop(false);
    }
}

/// One database of a cluster.
#[derive(Debug)]
pub struct Database<'c> {
    cluster: &'c Cluster,
    name: String,
}

impl Database<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The superuser's URL.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Another user's URL.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        self.cluster.url_as(user, password, &self.name)
    }

    /// A superuser's connection.
    pub async fn client(&self) -> Client {
        connect(&self.url()).await
    }

    /// The first column of every row as text, for comparing; NULL reads `NULL`.
    pub async fn column(&self, query: &str) -> Vec<String> {
        let client = self.client().await;
        let answers = loud(query, client.simple_query(query).await);
        let rows = answers.iter().filter_map(|answer| {
            let SimpleQueryMessage::Row(row) = answer else { return None };
            Some(row.try_get(0).ok().flatten().unwrap_or("NULL").to_owned())
        });
        let column = rows.collect();
        client.close().await;
        column
    }

    /// The only value of the only row, as text.
    pub async fn value(&self, query: &str) -> String {
        let mut column = self.column(query).await;
        match (column.pop(), column.is_empty()) {
            (Some(value), true) => value,
            _ => fail(&format!("expected one row of: {query}")),
        }
    }

    /// Runs statements.
    pub async fn execute(&self, statements: &str) {
        let client = self.client().await;
        loud(statements, client.batch_execute(statements).await);
        client.close().await;
    }
}

async fn connect(url: &str) -> Client {
    let settings = loud("reading a scratch URL", Settings::from_url(url));
    loud("connecting to a scratch PostgreSQL", pg::connect(&settings).await)
}
