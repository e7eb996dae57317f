//! From an OpenAPI file to its facts. Every step is a pure function of the document.

mod document;
mod error;
mod events;
mod exceptions;
mod fields;
mod keyed;
mod lists;
mod names;
mod nested;
mod shapes;
mod streams;

pub use error::CompileError;
pub use shapes::compile_shapes;
pub use streams::compile;
