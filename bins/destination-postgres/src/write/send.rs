//! One statement sent many times: under a name, parsed once a connection; or without one, where
//! a pool stands between us and the server and every transaction may be on another connection.

use deadpool_postgres::Transaction;
use tokio_postgres::{
    Error, Row, Statement,
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

impl<'t> Ready<'t> {
    pub(super) async fn make(
        transaction: &Transaction<'_>,
        part: &Part<'_>,
        text: &'t str,
    ) -> Result<Self, Error> {
        if part.writer.naming.is_on() {
            return transaction.prepare_cached(text).await.map(Self::Named);
        }
        Ok(Self::Unnamed(text))
    }

    pub(super) async fn query(
        &self,
        transaction: &Transaction<'_>,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Error> {
        match self {
            Self::Named(statement) => transaction.query(statement, &plain(values)).await,
            Self::Unnamed(text) => transaction.query_typed(text, values).await,
        }
    }

    pub(super) async fn execute(
        &self,
        transaction: &Transaction<'_>,
        values: &[Value<'_>],
    ) -> Result<u64, Error> {
        match self {
            Self::Named(statement) => transaction.execute(statement, &plain(values)).await,
            Self::Unnamed(text) => transaction.execute_typed(text, values).await,
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
