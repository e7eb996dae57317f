//! The account behind a key.

use connector::Error;
use protocol::Timestamp;
use serde::Deserialize;

use crate::client::{Call, Client, Reply};
use crate::config::Settings;
use crate::errors::Failure;
use crate::page::Malformed;

/// What Stripe says of an account (`GET /v1/account`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Account {
    /// Its id.
    pub(crate) id: String,
    /// When it was made, unix seconds.
    #[serde(default)]
    created: Option<i64>,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    default_currency: Option<String>,
    #[serde(default)]
    business_profile: Option<Profile>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Profile {
    #[serde(default)]
    name: Option<String>,
}

impl Account {
    /// When it was made, if that is known.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.created.map(Timestamp::from_seconds)
    }

    /// Everything a person wants to know of it, in a line; `default_version` is the account's own,
    /// where it is known.
    pub(crate) fn describe(&self, settings: &Settings, default_version: Option<&str>) -> String {
        let name = self.business_profile.as_ref().and_then(|profile| profile.name.as_deref());
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let country = self.country.as_ref().map(|country| format!(", country {country}"));
        let currency =
            self.default_currency.as_ref().map(|currency| format!(", default currency {currency}"));
        format!(
            "account {}{name}, {}{}{}, API version {}{}",
            self.id,
            settings.mode(),
            country.unwrap_or_default(),
            currency.unwrap_or_default(),
            settings.api_version,
            versions(&settings.api_version, default_version),
        )
    }
}

/// What the account's own version means beside the one that is asked for
/// (<https://docs.stripe.com/webhooks/versioning>).
fn versions(asked: &str, default: Option<&str>) -> String {
    match default {
        Some(default) if default == asked => ", which is the account's default".to_owned(),
        Some(default) => format!(
            "; the account's default is {default}: its events come in that version, so an object is \
             fetched again for each of its events, a request each"
        ),
        None => "; the account's default version is not known".to_owned(),
    }
}

/// Asks which version of the API the account has by default; none if Stripe does not say.
///
/// # Errors
///
/// When the connection failed.
pub(crate) async fn default_version(client: &Client) -> Result<Option<String>, Error> {
    let call = Call::new("asking for the default version", "/v1/account").in_default_version();
    match client.get(&call, |reply| Ok(reply.version.clone())).await {
        Ok(version) => Ok(version),
        Err(Failure::Connection(error)) => Err(error),
        Err(
            Failure::Denied(_)
            | Failure::Unavailable(_)
            | Failure::Stream(_)
            | Failure::CursorGone
            | Failure::Gone
            | Failure::TooLarge
            | Failure::NoCallsLeft,
        ) => Ok(None),
    }
}

/// Asks for the account, and holds it against the `account_id` of the configuration. A key that
/// may not read the account is good enough where that is given.
///
/// # Errors
///
/// When Stripe cannot be asked, refuses the key, or the account is another one.
pub(crate) async fn look_up(client: &Client, settings: &Settings) -> Result<Account, Error> {
    let call = Call::new("asking for the account", "/v1/account");
    match client.get(&call, read).await {
        Ok(account) => hold_against(account, settings),
        Err(Failure::Denied(reason)) => match &settings.account_id {
            Some(id) => Ok(Account { id: id.clone(), ..Account::default() }),
            None => Err(Error::permission(reason)
                .hint("or give `account_id`, then the account need not be read")),
        },
        Err(Failure::Connection(error) | Failure::Stream(error)) => Err(error),
        Err(Failure::Unavailable(reason)) => {
            Err(Error::config(reason)
                .hint("check `base_url`: this does not look like Stripe's API"))
        }
        Err(Failure::NoCallsLeft) => {
            Err(Error::config("asking for the account: no request is allowed")
                .hint("raise `max_api_calls`"))
        }
        Err(Failure::CursorGone | Failure::Gone | Failure::TooLarge) => {
            Err(Error::internal("asking for the account: something else is gone"))
        }
    }
}

fn read(reply: &Reply) -> Result<Account, Malformed> {
    if reply.date.is_none() {
        return Err(Malformed::new("an answer without a `Date` header"));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| Malformed::new(format!("an answer that is no account: {error}")))
}

fn hold_against(account: Account, settings: &Settings) -> Result<Account, Error> {
    let expected = settings.account_id.as_ref().or(settings.account.as_ref());
    match expected {
        Some(expected) if *expected != account.id => Err(Error::config(format!(
            "asking for the account: the key belongs to `{}`, not to `{expected}`",
            account.id
        ))
        .hint("correct `account_id` (or `account`), or give the key of that account")),
        _ => Ok(account),
    }
}
