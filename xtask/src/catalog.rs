//! `cargo xtask catalog build`: an OpenAPI file of Stripe to the data files of `stripe-api`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Subcommand;
use stripe_api::{Catalogue, CompileError, Shapes, compile, compile_shapes};
use thiserror::Error;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compiles an OpenAPI file of Stripe to `VERSION.json`, which says what lists there are, and
    /// `VERSION.shapes.json`, which says what the objects in them look like.
    Build {
        /// The file, `spec3.json` of Stripe's openapi repository.
        openapi: PathBuf,
        /// The folder to write into.
        #[arg(long, default_value = "crates/stripe-api/data")]
        out: PathBuf,
    },
}

#[derive(Debug, Error)]
pub(crate) enum CatalogError {
    #[error("reading `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("compiling `{path}`: {source}")]
    Compile { path: PathBuf, source: CompileError },
    #[error("rendering the facts: {0}")]
    Render(#[from] serde_json::Error),
    #[error("writing `{path}`: {source}")]
    Write { path: PathBuf, source: io::Error },
}

pub(crate) fn run(command: &Command) -> Result<String, CatalogError> {
    match command {
        Command::Build { openapi, out } => build(openapi, out),
    }
}

fn build(openapi: &Path, out: &Path) -> Result<String, CatalogError> {
    let path = openapi.to_owned();
    let text = std::fs::read_to_string(openapi)
        .map_err(|source| CatalogError::Read { path: path.clone(), source })?;
    let started = Instant::now();
    let compile_error = |source| CatalogError::Compile { path: path.clone(), source };
    let catalogue = compile(&text).map_err(compile_error)?;
    let elapsed = started.elapsed().as_millis();
    let shapes = compile_shapes(&text).map_err(compile_error)?;
    let written = write(&catalogue, &shapes, out)?;
    let streams = catalogue.streams.len();
    let version = &catalogue.api_version;
    Ok(format!("{version}: {streams} v1 streams in {elapsed} ms, {written} bytes written"))
}

fn write(catalogue: &Catalogue, shapes: &Shapes, out: &Path) -> Result<usize, CatalogError> {
    let version = &catalogue.api_version;
    let facts = catalogue.to_json()?;
    let shapes = shapes.to_json()?;
    write_file(&out.join(format!("{version}.json")), &facts)?;
    write_file(&out.join(format!("{version}.shapes.json")), &shapes)?;
    Ok(facts.len() + shapes.len())
}

fn write_file(path: &Path, text: &str) -> Result<(), CatalogError> {
    std::fs::write(path, text)
        .map_err(|source| CatalogError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = build(Path::new("no/such/spec3.json"), Path::new(".")).unwrap_err();
        assert!(error.to_string().starts_with("reading `no/such/spec3.json`: "), "{error}");
    }

    #[test]
    fn a_file_that_is_no_openapi_file_is_named() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = build(Path::new(manifest), Path::new(".")).unwrap_err();
        assert!(error.to_string().contains("not JSON; fetch the file again"), "{error}");
    }
}
