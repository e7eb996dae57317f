//! Where a pipeline's state is kept: in the copy itself, in a file, or nowhere.

mod any;
mod file;
mod kept;
mod postgres;
mod sqlite;

pub use any::{Store, StoreChoice};
pub use kept::{Kept, Pipeline, StoreError};
