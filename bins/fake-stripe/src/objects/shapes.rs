//! What objects look like inside: the shapes of the plain v1 lists, and beside them those of
//! objects that are listed under a parent and of API v2. The second file was compiled from
//! Stripe's OpenAPI file of the same version by the same rules.

use std::sync::LazyLock;

use stripe_api::Shapes;

static ALL: LazyLock<Shapes> = LazyLock::new(|| {
    let text = include_str!("../../data/2026-01-28.clover.children.json");
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    let more: Shapes = serde_json::from_str(text).expect("the shapes of children are readable");
    let mut all = Shapes::embedded().clone();
    all.schemas.extend(more.schemas);
    all
});

/// The shapes of everything that is served.
pub(crate) fn shapes() -> &'static Shapes {
    &ALL
}
