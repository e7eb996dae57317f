//! Facts of Stripe's API, taken from its OpenAPI file: which lists there are, what they accept,
//! and what their objects hold. The facts of one version are embedded; others compile at run time.

mod catalogue;
mod compile;
mod field;
mod json_schema;
mod shapes;
mod text;

pub use catalogue::{
    Catalogue, ChildStream, Freshness, KeyedStream, ListParams, NoneIf, ParentKeyed, StreamFacts,
};
pub use compile::{CompileError, compile, compile_shapes};
pub use field::{Field, FieldError, FieldKind};
pub use shapes::{Property, Shape, ShapeError, Shapes};
