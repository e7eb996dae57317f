//! From what the owner named to a catalogue: out of the cache, or compiled and put there.

use connector::{Emitter, Environment, Error};
use protocol::Level;
use stripe_api::{Catalogue, compile};

use super::cache::{self, Cache};
use super::fetch;
use super::place::Place;

/// The catalogue of an OpenAPI file. It is kept as long as the process lives.
///
/// A file is read each time and known by its content; an address is fetched once and known by its
/// name.
///
/// # Errors
///
/// When the file cannot be had, or is no OpenAPI file of Stripe.
pub(crate) async fn load(
    named: &str,
    environment: &Environment,
    out: &mut Emitter,
) -> Result<&'static Catalogue, Error> {
    let place = Place::parse(named)?;
    let key = match &place {
        Place::File(path) => cache::key(&fetch::read(path, &place)?),
        Place::Address(url) => cache::key(url.as_str().as_bytes()),
    };
    let cache = Cache::of_user(environment);
    if let Some(kept) = cache.get(&key) {
        return Ok(Box::leak(Box::new(kept)));
    }
    let bytes = match &place {
        Place::File(path) => fetch::read(path, &place)?,
        Place::Address(url) => fetch::fetch(url, &place).await?,
    };
    let text = fetch::text(bytes, &place)?;
    let catalogue = compile(&text).map_err(|why| {
        Error::config(format!("compiling `openapi_spec` `{place}`")).caused_by(why)
    })?;
    if let Err(why) = cache.put(&key, &catalogue) {
        out.log(Level::Warn, not_kept(&why)).await?;
    }
    Ok(Box::leak(Box::new(catalogue)))
}

fn not_kept(why: &str) -> String {
    format!(
        "the facts of `openapi_spec` cannot be kept ({why}) and are compiled for each call; \
         set XDG_CACHE_HOME to a folder that can be written"
    )
}
