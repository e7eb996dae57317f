//! One statement sent many times: under a name, parsed once a connection; or without one, where
//! a pool stands between us and the server and every transaction may be on another connection.

use deadpool_postgres::{GenericClient, Transaction};
use pg::Pooled;
use tokio_postgres::{
    Error, GenericClient as _, Row, Statement,
    types::{ToSql, Type},
};

use super::split::Part;

/// A value and its type.
pub(super) type Value<'v> = (&'v (dyn ToSql + Sync), Type);

/// A statement that is ready to be sent.
pub(super) enum Ready<'t> {
    Named(Statement),
    Unnamed(&'t str),
}

/// A connection, or a transaction on one.
pub(super) trait Connected: GenericClient {
    /// The same without a memory for statements.
    type Plain: tokio_postgres::GenericClient + Sync;

    fn plain(&self) -> &Self::Plain;
}

impl Connected for Pooled {
    type Plain = tokio_postgres::Client;

    fn plain(&self) -> &Self::Plain {
        self
    }
}

impl<'c> Connected for Transaction<'c> {
    type Plain = tokio_postgres::Transaction<'c>;

    fn plain(&self) -> &Self::Plain {
        self
    }
}

impl<'t> Ready<'t> {
    pub(super) async fn make<C: Connected>(
        client: &C,
        part: &Part<'_>,
        text: &'t str,
    ) -> Result<Self, Error> {
        if part.writer.naming.is_on() {
            return client.prepare_cached(text).await.map(Self::Named);
        }
        Ok(Self::Unnamed(text))
    }

    pub(super) async fn query<C: Connected>(
        &self,
        client: &C,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Error> {
        match self {
            Self::Named(statement) => client.query(statement, &plain(values)).await,
            Self::Unnamed(text) => client.plain().query_typed(text, values).await,
        }
    }

    pub(super) async fn execute<C: Connected>(
        &self,
        client: &C,
        values: &[Value<'_>],
    ) -> Result<u64, Error> {
        match self {
            Self::Named(statement) => client.execute(statement, &plain(values)).await,
            Self::Unnamed(text) => client.plain().execute_typed(text, values).await,
        }
    }
}

fn plain<'v>(values: &[Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|(value, _)| *value).collect()
}

/// Arrays of text as values.
pub(super) fn texts<T: ToSql + Sync>(arrays: &[T]) -> Vec<Value<'_>> {
    arrays.iter().map(|array| (array as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect()
}

/// An array of whole numbers as a value.
pub(super) fn numbers<T: ToSql + Sync>(array: &T) -> Value<'_> {
    (array, Type::INT8_ARRAY)
}
