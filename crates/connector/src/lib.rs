//! The author's side of the protocol: everything that a connector does not write itself.
//!
//! A connector implements [`Source`] or [`Destination`] and hands itself to [`run_source`] or
//! [`run_destination`]. The harness owns the command line, the wire, signals, logs to stderr, batching,
//! and the two rules that must hold everywhere: the commit rule ([`ledger`]) and the version rule
//! ([`version`]).
//!
//! The smallest whole source:
//!
//! ```
//! use connector::{About, Emitter, Environment, Error, ReadRequest, Source, Stop};
//! use protocol::{Catalog, ConfiguredCatalog, Origin, Spec, Timestamp};
//! use serde_json::{json, value::to_raw_value};
//!
//! struct Hello;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {}
//!
//! impl Source for Hello {
//!     const ABOUT: About = About {
//!         name: "source-hello",
//!         version: "1.0.0",
//!         summary: "Says hello.",
//!         example: "source-hello read --config '{}' --catalog catalog.json",
//!         environment: &[],
//!     };
//!     type Config = Config;
//!
//!     fn spec() -> Spec {
//!         Spec::new(json!({"type": "object", "properties": {}, "additionalProperties": false}))
//!     }
//!
//!     async fn open(_: Config, _: &Environment, _: &mut Emitter) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!
//!     async fn check(&self, _: Option<&ConfiguredCatalog>, _: &mut Emitter) -> Result<String, Error> {
//!         Ok("always here".to_owned())
//!     }
//!
//!     async fn discover(&self, _: &mut Emitter) -> Result<Catalog, Error> {
//!         let stream = json!({"name": "greetings", "primary_key": [["id"]], "newer_than_field": "at"});
//!         Ok(Catalog { streams: vec![serde_json::from_value(stream).unwrap()] })
//!     }
//!
//!     async fn read(&self, _: ReadRequest, out: &mut Emitter, _: Stop) -> Result<(), Error> {
//!         out.start("greetings", None).await?;
//!         let data = to_raw_value(&json!({"id": "1", "at": 1})).unwrap();
//!         out.record("greetings", &data, Timestamp::from_seconds(1), Origin::List).await?;
//!         out.state("greetings", &json!({"done": true})).await?; // after what it covers
//!         out.complete("greetings").await
//!     }
//! }
//! # let args = ["source-hello", "spec"].map(std::ffi::OsString::from);
//! # connector::run_source::<Hello>(args.into_iter(), &Environment::default());
//! ```

mod about;
mod arguments;
mod batch;
mod cli;
mod config;
mod dead_letter;
mod destination;
mod drive;
mod emitter;
mod error;
mod fields;
mod input;
mod intake;
mod liaison;
mod logs;
mod mark;
mod plan;
mod program;
mod property;
mod prune;
mod queue;
mod row;
mod shape;
mod source;
mod stdin;
mod stop;
mod write_config;

pub mod ledger;
pub mod retry;
pub mod version;

pub use about::About;
pub use batch::{Batch, BatchLimits, Loaded, Seen, Sight, StreamBatch};
pub use config::Environment;
pub use dead_letter::{DeadLetter, Refused};
pub use destination::{Destination, Look};
pub use emitter::Emitter;
pub use error::{Error, Retry};
pub use input::Input;
pub use liaison::Liaison;
pub use mark::Mark;
pub use plan::{StreamPlan, plans};
pub use program::{run_destination, run_source};
pub use property::PropertyType;
pub use protocol::scan;
pub use prune::{Prune, Prunes, reference};
pub use row::{Key, Refusal, Row, marked_document, read_row};
pub use shape::{Shape, ValueType};
pub use source::{ReadRequest, Source};
pub use stop::{Stop, Stopper, stop_channel};
pub use write_config::{Deletes, WriteConfig};
