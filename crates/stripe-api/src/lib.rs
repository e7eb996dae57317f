//! Facts of Stripe's API, taken from its OpenAPI file: which lists there are, what they accept,
//! and what their objects hold. The facts of one version are embedded; others compile at run time.

mod catalogue;
mod field;
mod json_schema;
mod text;

pub use catalogue::{Catalogue, Freshness, ListParams, ParentKeyed, StreamFacts};
pub use field::{Field, FieldError, FieldKind};
