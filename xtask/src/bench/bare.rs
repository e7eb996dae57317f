//! The least that loading can cost: one statement, from memory, on some connections.

use std::io::Read as _;

use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

/// Rows of one statement.
const CHUNK: usize = 250;
/// Statements of one transaction.
const CHUNKS: usize = 4;

/// Loads the documents on stdin, a line each, into the table `bench.bare`.
pub(crate) fn load(url: &str, connections: usize) -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("reading stdin: {error}"))?;
    let documents: Vec<&str> = text.lines().collect();
    let share = documents.len().div_ceil(connections.max(1)).max(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting the runtime: {error}"))?;
    runtime
        .block_on(async {
            let loads = documents.chunks(share).map(|documents| one(url, documents));
            futures_util::future::try_join_all(loads).await
        })
        .map_err(|error| format!("loading: {error}"))?;
    Ok(format!("{} rows", documents.len()))
}

async fn one(url: &str, documents: &[&str]) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    for documents in documents.chunks(CHUNK * CHUNKS) {
        transaction(&client, documents).await?;
    }
    Ok(())
}

async fn transaction(client: &Client, documents: &[&str]) -> Result<(), tokio_postgres::Error> {
    let text = "INSERT INTO bench.bare (_raw_data, _updated_at, _hash) \
                SELECT d::jsonb, to_timestamp(s), h \
                FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u(d, s, h) \
                ON CONFLICT (id) DO UPDATE SET _raw_data = EXCLUDED._raw_data, \
                _updated_at = EXCLUDED._updated_at, _hash = EXCLUDED._hash \
                WHERE EXCLUDED._updated_at > bare._updated_at";
    let statement = client.prepare(text).await?;
    client.batch_execute("BEGIN; SET LOCAL default_toast_compression = 'lz4'").await?;
    let stamps = vec![1_000_i64; CHUNK];
    let chunks = documents.chunks(CHUNK).map(async |documents| {
        let stamps = stamps.get(..documents.len()).unwrap_or_default();
        client.execute(&statement, &[&documents, &stamps, &stamps]).await
    });
    futures_util::future::try_join_all(chunks).await?;
    client.batch_execute("COMMIT").await
}
