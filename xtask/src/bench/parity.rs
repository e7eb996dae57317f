//! Whether what was loaded is what should be there.

use super::data::STREAMS;
use super::server::Server;

/// Asks the server for counts and hashes of content.
pub(super) struct Parity<'s> {
    pub(super) server: &'s Server,
}

impl Parity<'_> {
    /// Fails unless the tables of all streams together hold the documents of another table.
    pub(super) fn equal(&self, table: &str, step: &str) -> Result<(), String> {
        let loaded = self.content(&all("_raw_data"))?;
        let wanted = self.content(&format!("SELECT _raw_data FROM bench.{table}"))?;
        if loaded == wanted {
            return Ok(());
        }
        Err(format!("after `{step}` the tables hold {loaded} (rows, hash) instead of {wanted}"))
    }

    /// Where every row stands and which transaction wrote it.
    pub(super) fn versions(&self) -> Result<String, String> {
        self.server.value(&format!(
            "SELECT md5(string_agg(v, ' ' ORDER BY v)) FROM ({}) AS r",
            all("id || ctid::text || xmin::text AS v")
        ))
    }

    /// Fails when a row was written since [`Parity::versions`] was asked.
    pub(super) fn not_rewritten(&self, before: &str) -> Result<(), String> {
        if self.versions()? == before {
            return Ok(());
        }
        Err("`unchanged` has rewritten rows".to_owned())
    }

    /// How many documents there are, and a hash that does not depend on their order.
    fn content(&self, documents: &str) -> Result<String, String> {
        self.server.value(&format!(
            "SELECT count(*) || ' ' || md5(string_agg(h, '' ORDER BY h)) \
             FROM (SELECT md5(_raw_data::text) AS h FROM ({documents}) AS d) AS r"
        ))
    }
}

/// Something of every row of every stream.
fn all(what: &str) -> String {
    STREAMS.map(|stream| format!("SELECT {what} FROM bench.{stream}")).join(" UNION ALL ")
}
