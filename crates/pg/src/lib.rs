//! Shared PostgreSQL: connecting, TLS, quoted names, migrations and what an SQLSTATE means.
//!
//! Knows nothing of streams, states or connectors. Two rules start here: only [`Ident`] renders a
//! name into SQL, and no error, `Debug` or `Display` of this crate holds a password.

mod connect;
mod error;
mod ident;
mod migrate;
mod settings;
mod sqlstate;
mod tls;

pub use connect::{Client, Pool, Pooled, connect, discard};
pub use error::Error;
pub use ident::{Ident, Literal, Qualified};
pub use migrate::{MIGRATIONS, Migration, advisory_key, lock_migrations, migrate};
pub use settings::{Settings, Target};
pub use sqlstate::Failure;
