//! What the account holds, and how a copy differs from it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testkit::canonical::canonical;
use testkit::program::Program;
use testkit::stripe::{API_KEY, FakeStripe};
use tokio::sync::OnceCell;

use crate::copy::Copy;

/// The version of the API that is spoken.
pub(crate) const API_VERSION: &str = "2026-01-28.clover";

/// The account that the local Stripe plays.
pub(crate) const ACCOUNT: &str = "acct_1LocalStripe0001";

/// What the source says of its streams, by name.
pub(crate) struct Streams(BTreeMap<String, Value>);

/// An account, and what of its objects means nothing.
#[derive(Clone, Copy)]
pub(crate) struct Oracle<'a> {
    pub(crate) stripe: &'a FakeStripe,
    pub(crate) streams: &'a Streams,
}

impl Streams {
    /// Asked for once.
    pub(crate) async fn discovered() -> &'static Self {
        static STREAMS: OnceCell<Streams> = OnceCell::const_new();
        let named = |stream: &Value| (stream["name"].as_str().unwrap().to_owned(), stream.clone());
        let discover = async || {
            let config =
                json!({"api_key": API_KEY, "api_version": API_VERSION, "account_id": ACCOUNT});
            let program =
                Program::named("source-stripe").args(["discover", "--config", &config.to_string()]);
            let catalog = program.run("").await.expect_code(0).of_type("catalog").pop().unwrap();
            Self(catalog["catalog"]["streams"].as_array().unwrap().iter().map(named).collect())
        };
        STREAMS.get_or_init(discover).await
    }

    /// As the source describes it.
    pub(crate) fn named(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// The properties whose value means nothing.
    fn volatile(&self, stream: &str) -> BTreeSet<&str> {
        let names = self.named(stream)["metadata"]["volatile"].as_array();
        names.into_iter().flatten().map(|name| name.as_str().unwrap()).collect()
    }
}

impl Oracle<'_> {
    /// What a copy has not as the account has it, if there is anything.
    pub(crate) async fn difference(self, copy: &Copy, streams: &[String]) -> Option<String> {
        for stream in streams {
            let (objects, rows) = (self.objects(stream).await, copy.rows(stream).await);
            let mut pairs = objects.iter().map(|(id, object)| (id, object, rows.get(id)));
            let found = pairs.find_map(|(id, object, row)| {
                Some(format!("{stream} {id}: {}", self.differs(stream, object, row)?))
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// How an object and its row differ, if they do.
    pub(crate) fn differs(
        self,
        stream: &str,
        object: &Value,
        row: Option<&Value>,
    ) -> Option<String> {
        let is_deleted = |object: &Value| object["deleted"] == true;
        if is_deleted(object) {
            let row = row.filter(|row| !is_deleted(row))?;
            return Some(format!("deleted, and its row is not: {row}"));
        }
        let Some(row) = row else { return Some(format!("there is no row: {object}")) };
        let (row, object) = (self.stable(stream, row), self.stable(stream, object));
        (row != object).then(|| format!("the row is not the object: {row} is not {object}"))
    }

    /// An object less its volatile properties.
    fn stable(self, stream: &str, object: &Value) -> Value {
        let mut object = object.clone();
        for name in self.streams.volatile(stream) {
            object.as_object_mut().unwrap().remove(name);
        }
        object
    }

    /// Every object there is or was, the deleted ones marked, by id.
    pub(crate) async fn objects(self, stream: &str) -> BTreeMap<String, Value> {
        let query = format!("/__oracle/{stream}?lists=whole&deleted=with");
        let text = self.stripe.get(&query).await;
        let object = |line| {
            let object: Value = serde_json::from_str(line).unwrap();
            (object["id"].as_str().unwrap().to_owned(), canonical(object))
        };
        text.lines().filter(|line| !line.is_empty()).map(object).collect()
    }

    /// When an event last told of an object, by its id.
    pub(crate) async fn told(self) -> BTreeMap<String, i64> {
        let mut told = BTreeMap::new();
        for event in self.stripe.oracle("events").await.values() {
            let id = event["data"]["object"]["id"].as_str().unwrap_or_default();
            let created = event["created"].as_i64().unwrap();
            let last = told.entry(id.to_owned()).or_insert(created);
            *last = created.max(*last);
        }
        told
    }
}
