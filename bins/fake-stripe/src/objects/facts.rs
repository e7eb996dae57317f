//! Which lists there are and what objects look like inside: of the embedded API version, or of
//! another one's OpenAPI file.

use stripe_api::{Catalogue, CompileError, Shapes, compile, compile_shapes};

/// The facts of one version of Stripe's API. They are kept as long as the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) catalogue: &'static Catalogue,
    pub(crate) shapes: &'static Shapes,
}

impl Facts {
    /// The facts of the embedded version.
    pub(crate) fn embedded() -> Self {
        Self { catalogue: Catalogue::embedded(), shapes: Shapes::embedded() }
    }

    /// The facts of Stripe's OpenAPI file of any version.
    pub(crate) fn compile(openapi: &str) -> Result<Self, CompileError> {
        let catalogue = compile(openapi)?;
        let shapes = compile_shapes(openapi)?;
        Ok(Self { catalogue: Box::leak(Box::new(catalogue)), shapes: Box::leak(Box::new(shapes)) })
    }
}
