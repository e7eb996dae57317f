//! Which lists there are and what objects look like inside: of the embedded API version, or of
//! another one's OpenAPI file.

use std::sync::LazyLock;

use stripe_api::{Catalogue, CompileError, Shapes, compile, compile_shapes};

/// The shapes of objects that are listed under a parent, and of API v2. They were compiled from
/// Stripe's OpenAPI file of the embedded version, by the same rules as those of the plain lists.
static CHILDREN: &str = include_str!("../../data/2026-01-28.clover.children.json");

static EMBEDDED: LazyLock<Shapes> = LazyLock::new(|| with_children(Shapes::embedded().clone()));

/// The facts of one version of Stripe's API. They are kept as long as the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) catalogue: &'static Catalogue,
    pub(crate) shapes: &'static Shapes,
}

impl Facts {
    /// The facts of the embedded version.
    pub(crate) fn embedded() -> Self {
        Self { catalogue: Catalogue::embedded(), shapes: &EMBEDDED }
    }

    /// The facts of Stripe's OpenAPI file of any version. What it does not say of objects under
    /// a parent and of API v2 is as in the embedded one.
    pub(crate) fn compile(openapi: &str) -> Result<Self, CompileError> {
        let catalogue = compile(openapi)?;
        let shapes = with_children(compile_shapes(openapi)?);
        Ok(Self { catalogue: Box::leak(Box::new(catalogue)), shapes: Box::leak(Box::new(shapes)) })
    }
}

fn with_children(mut shapes: Shapes) -> Shapes {
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    let children: Shapes = serde_json::from_str(CHILDREN).expect("the file is readable");
    for (name, schema) in Shapes::embedded().schemas.iter().chain(&children.schemas) {
        shapes.schemas.entry(name.clone()).or_insert_with(|| schema.clone());
    }
    shapes
}
