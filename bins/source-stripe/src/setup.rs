//! What is prepared at Stripe before the first read, and taken away after the last: the webhook
//! endpoint, where one is asked for. Nothing else is ever written there.

use connector::{Emitter, Error};
use protocol::{ConfiguredCatalog, Control};
use serde_json::{Map, Value};

use crate::account;
use crate::client::Client;
use crate::config::Settings;
use crate::live::Desk;

/// Makes sure of the webhook endpoint, if there is to be one, and gives the configuration back with what was learned.
///
/// # Errors
///
/// When Stripe cannot be asked or refuses.
pub(crate) async fn set_up(
    given: &Map<String, Value>,
    settings: &Settings,
    catalog: &ConfiguredCatalog,
    out: &mut Emitter,
) -> Result<(), Error> {
    let (client, _notices) = Client::open(settings)?;
    let mut config = given.clone();
    // Where only a file names the version, it is kept: a later file of another version is told then.
    config.entry("api_version").or_insert_with(|| settings.api_version.as_str().into());
    if let Some(desk) = Desk::open(&client, settings) {
        let account = account::look_up(&client, settings).await?;
        let secret = desk.set_up(catalog, out).await?;
        client.tell_requests(out).await?;
        config.insert("account_id".to_owned(), account.id.into());
        if let Some(secret) = secret {
            config.insert("webhook_secret".to_owned(), secret.expose().into());
        }
    }
    if config == *given {
        return Ok(());
    }
    out.control(Control::SourceConfig { source_config: config }).await
}

/// Removes the webhook endpoint that [`set_up`] made, and nothing else.
///
/// # Errors
///
/// When Stripe cannot be asked or refuses.
pub(crate) async fn tear_down(settings: &Settings, out: &mut Emitter) -> Result<(), Error> {
    let (client, _notices) = Client::open(settings)?;
    match Desk::open(&client, settings) {
        Some(desk) => desk.tear_down(out).await,
        None => Ok(()),
    }
}
