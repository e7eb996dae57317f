//! What the owner's configuration says of events that others bring.

use std::net::{IpAddr, Ipv4Addr};

use connector::Error;
use protocol::Secret;
use serde::Deserialize;
use url::Url;

use crate::config::Config;

/// Where webhooks are taken when their address does not say it.
const PATH: &str = "/webhook";

/// One signing secret, or several while one is being rolled.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "`webhook_secret` is neither a text nor a list of texts")]
pub(crate) enum WebhookSecrets {
    /// The only one.
    One(Secret),
    /// Any of them may have signed.
    Several(Vec<Secret>),
}

/// Where events come from instead of Stripe's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventInput {
    /// Lines on stdin, until its end.
    Stdin,
}

/// The part of the settings that is about events that others bring.
#[derive(Debug, Clone)]
pub(crate) struct LiveSettings {
    /// Where Stripe is to send webhooks.
    pub(crate) url: Option<Url>,
    /// With which webhooks are signed.
    pub(crate) secrets: Vec<Secret>,
    /// Where to listen for them.
    pub(crate) host: IpAddr,
    /// On which port, if at all; 0 is a free one.
    pub(crate) port: Option<u16>,
    /// Whether to open the WebSocket of the Stripe CLI.
    pub(crate) websocket: bool,
    /// Whether only events from stdin are turned into records.
    pub(crate) from_stdin: bool,
}

impl LiveSettings {
    /// Looks at a configuration without talking to anybody.
    ///
    /// # Errors
    ///
    /// One line that names the key and what to write instead.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let from_stdin = config.input == Some(EventInput::Stdin);
        if from_stdin && config.webhook_port.is_some() {
            return Err(Error::config(
                "reading --config: `input` and `webhook_port` are both given",
            )
            .hint("with `input: stdin` events come on stdin only: leave one of them out"));
        }
        Ok(Self {
            url: config.webhook_url.as_deref().map(webhook_url).transpose()?,
            secrets: secrets(config.webhook_secret.as_ref())?,
            host: config.webhook_host.as_deref().map_or(Ok(Ipv4Addr::LOCALHOST.into()), host)?,
            port: config.webhook_port,
            websocket: config.websocket.unwrap_or_default(),
            from_stdin,
        })
    }

    /// The path that webhooks come to: that of their address, where it is known.
    pub(crate) fn path(&self) -> &str {
        self.url.as_ref().map_or(PATH, Url::path)
    }
}

fn secrets(given: Option<&WebhookSecrets>) -> Result<Vec<Secret>, Error> {
    let secrets = match given {
        None => Vec::new(),
        Some(WebhookSecrets::One(secret)) => vec![secret.clone()],
        Some(WebhookSecrets::Several(secrets)) => secrets.clone(),
    };
    if secrets.iter().any(|secret| secret.expose().trim().is_empty()) {
        return Err(Error::config("reading --config: `webhook_secret` is empty")
            .hint("give the endpoint's signing secret (whsec_…), or leave it out"));
    }
    Ok(secrets)
}

fn webhook_url(text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| {
        Error::config(format!("reading --config: `webhook_url` `{text}` {why}"))
            .hint("give the address at which Stripe reaches this program, like `https://sync.example.com/webhook`")
    };
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    Ok(url)
}

fn host(text: &str) -> Result<IpAddr, Error> {
    text.parse().map_err(|_| {
        Error::config(format!("reading --config: `webhook_host` `{text}` is no IP address"))
            .hint("give one of this machine, like `127.0.0.1`, or `0.0.0.0` for all")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(config: Value) -> Result<LiveSettings, String> {
        let mut all = json!({"api_key": "k", "api_version": "v"});
        let Value::Object(more) = config else { panic!("an object") };
        all.as_object_mut().unwrap().extend(more);
        let config = serde_json::from_value(all).map_err(|error| error.to_string())?;
        LiveSettings::new(&config).map_err(|error| error.report())
    }

    #[test]
    fn it_listens_on_loopback_unless_told_otherwise() {
        let usual = settings(json!({"webhook_port": 0})).unwrap();
        assert_eq!((usual.host.to_string().as_str(), usual.port), ("127.0.0.1", Some(0)));
        assert_eq!(settings(json!({"webhook_host": "::"})).unwrap().host.to_string(), "::");
        let error = settings(json!({"webhook_host": "localhost"})).unwrap_err();
        assert!(error.contains("`webhook_host` `localhost` is no IP address"), "{error}");
    }

    #[test]
    fn webhooks_come_to_the_path_of_their_address() {
        assert_eq!(settings(json!({})).unwrap().path(), "/webhook");
        let path = |url: &str| settings(json!({"webhook_url": url})).map(|it| it.path().to_owned());
        assert_eq!(path("https://x.example/stripe/hook?a=1").unwrap(), "/stripe/hook");
        assert_eq!(path("https://x.example").unwrap(), "/");
        assert!(path("x.example").unwrap_err().contains("`webhook_url` `x.example` is no URL"));
    }

    #[test]
    fn there_may_be_several_secrets_and_no_empty_one() {
        let count = |secret: Value| {
            settings(json!({ "webhook_secret": secret })).map(|it| it.secrets.len())
        };
        assert_eq!(count(json!("whsec_1")), Ok(1));
        assert_eq!(count(json!(["whsec_1", "whsec_2"])), Ok(2));
        assert!(count(json!(["whsec_1", " "])).unwrap_err().contains("is empty"));
        assert_eq!(
            count(json!(7)).unwrap_err(),
            "`webhook_secret` is neither a text nor a list of texts"
        );
    }

    #[test]
    fn stdin_and_a_port_exclude_each_other() {
        assert!(settings(json!({"input": "stdin"})).unwrap().from_stdin);
        let error = settings(json!({"input": "stdin", "webhook_port": 1})).unwrap_err();
        assert!(error.contains("`input` and `webhook_port` are both given"), "{error}");
    }
}
