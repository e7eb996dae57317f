//! Gets the bytes of an OpenAPI file. The key never goes along.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use connector::Error;
use flate2::read::GzDecoder;
use reqwest::StatusCode;
use reqwest::redirect::Policy;
use url::Url;

use super::place::Place;
use crate::client;

/// No file is larger; Stripe's have 6 MB.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Longest time until a connection is made.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time until the file is here.
const REQUEST: Duration = Duration::from_secs(60);
/// Redirects to follow: release pages and mirrors use one or two.
const REDIRECTS: usize = 5;
/// How every gzipped file begins.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Reads a file.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn read(path: &Path, place: &Place) -> Result<Vec<u8>, Error> {
    let bytes = File::open(path).and_then(all).map_err(|why| {
        Error::config(format!("reading `openapi_spec` `{place}`: {why}"))
            .hint("give Stripe's spec3.json (https://github.com/stripe/openapi) or its address")
    })?;
    within_bounds(bytes, place)
}

/// Fetches a file.
///
/// # Errors
///
/// When nobody answers, or not with a file.
pub(crate) async fn fetch(url: &Url, place: &Place) -> Result<Vec<u8>, Error> {
    client::install_tls();
    let doing = format!("fetching `openapi_spec` `{place}`");
    let unreached = |why: reqwest::Error| {
        let why = client::chain(&why.without_url());
        Error::unreachable(format!("{doing}: {why}"))
            .hint("check the address, the network and the proxy settings, or give a file")
    };
    let http = reqwest::Client::builder()
        .user_agent(concat!("sync-engine/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .redirect(Policy::limited(REDIRECTS))
        .build()
        .map_err(|why| Error::internal("setting up HTTP").caused_by(why))?;
    let mut answer = http.get(url.clone()).send().await.map_err(unreached)?;
    refuse(answer.status(), &doing)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            break;
        }
    }
    within_bounds(bytes, place)
}

fn refuse(status: StatusCode, doing: &str) -> Result<(), Error> {
    let said = format!("{doing}: {}", status.as_u16());
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => Err(Error::unreachable(said).hint("try again later")),
        _ if status.is_server_error() => Err(Error::unreachable(said).hint("try again later")),
        _ => Err(Error::config(said).hint("check the address, or give a file")),
    }
}

/// The text of a file, which may be gzipped.
///
/// # Errors
///
/// When it is no text.
pub(crate) fn text(bytes: Vec<u8>, place: &Place) -> Result<String, Error> {
    let bytes = if bytes.starts_with(GZIP_MAGIC) {
        let unpacked = all(GzDecoder::new(bytes.as_slice()));
        let broken = |why| {
            Error::config(format!("unpacking `openapi_spec` `{place}`: {why}"))
                .hint("fetch the file again")
        };
        within_bounds(unpacked.map_err(broken)?, place)?
    } else {
        bytes
    };
    String::from_utf8(bytes).map_err(|_| {
        Error::config(format!("reading `openapi_spec` `{place}`: it is no text"))
            .hint("give Stripe's spec3.json")
    })
}

/// Everything, or one byte more than may be.
fn all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn within_bounds(bytes: Vec<u8>, place: &Place) -> Result<Vec<u8>, Error> {
    if bytes.len() <= MOST_BYTES {
        return Ok(bytes);
    }
    Err(Error::config(format!("reading `openapi_spec` `{place}`: it has more than 64 MiB"))
        .hint("give Stripe's spec3.json"))
}
