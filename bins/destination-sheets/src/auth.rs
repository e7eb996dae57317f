//! Access tokens: where they come from and when they have to be new.

use std::time::Duration;

use connector::Error;
use protocol::Secret;
use serde::Deserialize;
use tokio::time::Instant;

use crate::clock;
use crate::failure::{Answer, waiting};
use crate::grant::ServiceAccount;
use crate::rest::Rest;

/// A token is given up this long before it expires.
const MARGIN: Duration = Duration::from_secs(120);
/// Longest time that a token is kept, whatever the answer says: Google's are good for an hour.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How the program may act in somebody's name.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    ServiceAccount(ServiceAccount),
    Refresh { client_id: String, client_secret: Secret, refresh_token: Secret },
    Token(Secret),
}

impl Credentials {
    /// Who has to be given access, for a person.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::ServiceAccount(account) => format!("`{}`", account.client_email),
            Self::Refresh { .. } | Self::Token(_) => "the person who gave the token".to_owned(),
        }
    }
}

/// Holds the token of the moment.
#[derive(Debug)]
pub(crate) struct Tokens {
    credentials: Credentials,
    token_url: String,
    current: Option<(Secret, Instant)>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: Option<u64>,
}

fn granted(answer: Answer) -> Result<Granted, Error> {
    // What serde says of the answer could repeat the token.
    serde_json::from_value(answer.body)
        .map_err(|_| Error::unreachable("asking for an access token: an answer without one"))
}

impl Tokens {
    pub(crate) const fn new(credentials: Credentials, token_url: String) -> Self {
        Self { credentials, token_url, current: None }
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Gives the token up after it was refused; whether another one can be had.
    pub(crate) fn forget(&mut self) -> bool {
        self.current = None;
        !matches!(self.credentials, Credentials::Token(_))
    }

    /// A token that is good for a while; asks for one, `tries` times, when there is none.
    pub(crate) async fn current(
        &mut self,
        http: &reqwest::Client,
        tries: u32,
        rest: &Rest,
    ) -> Result<Secret, Error> {
        if let Credentials::Token(token) = &self.credentials {
            return Ok(token.clone());
        }
        if let Some((token, until)) = &self.current
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let granted = self.ask(http, tries, rest).await?;
        let lifetime = Duration::from_secs(granted.expires_in.unwrap_or(3600)).min(LONGEST);
        let until = Instant::now() + lifetime.saturating_sub(MARGIN);
        self.current = Some((granted.access_token.clone(), until));
        Ok(granted.access_token)
    }

    async fn ask(&self, http: &reqwest::Client, tries: u32, rest: &Rest) -> Result<Granted, Error> {
        let mut failures = 0_u32;
        loop {
            let form = self.form()?;
            let request = http
                .post(&self.token_url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form);
            let answer = Answer::of(request).await;
            if answer.status == Some(200) {
                return granted(answer);
            }
            failures = failures.saturating_add(1);
            let fraction = fastrand::f64();
            match waiting(answer.status, answer.asked, failures, fraction) {
                Some(wait) if failures < tries => rest.wait_for(wait, &answer.said()).await?,
                Some(_) | None => return Err(self.refused(&answer)),
            }
        }
    }

    fn form(&self) -> Result<String, Error> {
        let pairs = match &self.credentials {
            Credentials::ServiceAccount(account) => vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
                ("assertion", account.grant(&self.token_url, clock::now())?),
            ],
            Credentials::Refresh { client_id, client_secret, refresh_token } => vec![
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", client_id.clone()),
                ("client_secret", client_secret.expose().to_owned()),
                ("refresh_token", refresh_token.expose().to_owned()),
            ],
            Credentials::Token(_) => Vec::new(),
        };
        Ok(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    fn refused(&self, answer: &Answer) -> Error {
        let doing = format!("asking `{}` for an access token: {}", self.token_url, answer.said());
        if !answer.status.is_some_and(|status| (400..500).contains(&status) && status != 429) {
            return Error::unreachable(doing).hint("is there a network? run again later");
        }
        Error::credentials(doing).hint(match self.credentials {
            Credentials::ServiceAccount(_) => {
                "is the key still listed with the service account, and this machine's clock right?"
            }
            Credentials::Refresh { .. } | Credentials::Token(_) => {
                "the refresh token was withdrawn or is another client's: get a new one"
            }
        })
    }
}
