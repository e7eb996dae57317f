//! Where a pipeline's state is kept: in the copy itself, in a file, or nowhere.

mod any;
mod file;
mod kept;
mod lease;
mod postgres;
mod postgres_runs;
mod sqlite;
mod sqlite_runs;

pub(crate) use any::file_name;
pub use any::{Store, StoreChoice};
pub use kept::{Kept, Pipeline, Removed, StoreError};
pub use lease::Holder;
