//! Where to connect and how, from a libpq URL.

use std::{fmt, path::PathBuf, str::FromStr as _, time::Duration};

use tokio_postgres::config::{Host, SslMode};

use crate::{Error, Ident};

/// How long a connection to one host may take, unless the URL says other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sent data may stay unacknowledged before the connection counts as lost.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Where and how to connect; `Debug` shows the target only.
#[derive(Clone)]
pub struct Settings {
    config: tokio_postgres::Config,
    tls: Tls,
    target: Target,
    /// Whether a server that refuses a plain connection is asked for an encrypted one.
    allows_tls: bool,
}

/// What is asked of the server's certificate, and what is shown of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) verify: Verify,
    pub(crate) roots: Roots,
    /// Files with our certificate and its key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// How much of the server's certificate is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Any certificate will do (`disable`, `allow`, `prefer`, `require`).
    Nothing,
    /// Its chain is checked (`verify-ca`).
    Chain,
    /// Its chain and the host's name are checked (`verify-full`).
    ChainAndName,
}

/// Whose signatures are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those of the system.
    System,
    /// Those in a file.
    File(PathBuf),
    /// Those in this PEM text.
    Pem(String),
}

/// What an error may say about a connection: everything but the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name, address or socket folder.
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// The database's name.
    pub database: String,
    /// The user's name.
    pub user: String,
}

impl Settings {
    /// Reads `postgres://` or `postgresql://`; errors never repeat the URL.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = url.trim().split_once("://") else {
            return Err(url_error("expected `postgres://user:password@host:port/database`"));
        };
        if scheme != "postgres" && scheme != "postgresql" {
            return Err(url_error("expected the scheme `postgres://` or `postgresql://`"));
        }
        let after_user = rest.find('@').unwrap_or(0);
        let mark = rest.get(after_user..).and_then(|tail| tail.find('?')).map(|at| after_user + at);
        let (base, query) = mark.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let query = query.trim_start_matches('?');
        let options = TlsOptions::take(query)?;
        let mut config =
            tokio_postgres::Config::from_str(&format!("postgres://{base}{}", options.others))
                .map_err(|_source| url_error(PARSE_HELP))?;
        config.ssl_mode(options.negotiation()?);
        if config.get_application_name().is_none() {
            config.application_name("sync-engine");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.tcp_user_timeout(SILENCE_TIMEOUT);
        let allows_tls = options.mode == "allow";
        Ok(Self { target: Target::of(&config)?, tls: options.tls()?, config, allows_tls })
    }

    /// Believes the certificates in this PEM text instead of the system's; with sslmode `require`
    /// the chain is checked from then on, as libpq does where it has a root certificate.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: &str) -> Self {
        self.tls.roots = Roots::Pem(pem.to_owned());
        if self.tls.verify == Verify::Nothing && self.config.get_ssl_mode() == SslMode::Require {
            self.tls.verify = Verify::Chain;
        }
        self
    }

    /// What may be shown of these settings.
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    /// How to connect once the server has refused to be spoken to in plain, if that was only tried.
    pub(crate) fn encrypted(&self) -> Option<tokio_postgres::Config> {
        let mut config = self.allows_tls.then(|| self.config.clone())?;
        config.ssl_mode(SslMode::Require);
        Some(config)
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// How long a connection may take as a whole: a host that is silent must leave time for the next.
    pub(crate) fn patience(&self) -> Duration {
        let one = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        one.saturating_mul(u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Settings({})", self.target)
    }
}

impl Target {
    fn of(config: &tokio_postgres::Config) -> Result<Self, Error> {
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => return Err(url_error("the host is missing")),
        };
        let user = config.get_user().ok_or_else(|| url_error("the user is missing"))?;
        Ok(Self {
            host,
            port: config.get_ports().first().copied().unwrap_or(5432),
            database: config.get_dbname().unwrap_or(user).to_owned(),
            user: user.to_owned(),
        })
    }

    pub(crate) fn database_for_sql(&self) -> String {
        Ident::new(&self.database).map_or_else(|_| String::new(), |name| name.to_string())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, user } = self;
        write!(out, "database `{database}` at `{host}:{port}` as user `{user}`")
    }
}

const PARSE_HELP: &str = "expected `postgres://user:password@host:port/database` with libpq \
                          parameters; write `@ : / ? # %` inside user or password as %XX";

fn url_error(reason: &str) -> Error {
    Error::Url { reason: reason.to_owned() }
}

/// The parameters that decide TLS, and the text of all the others, with its `?`.
struct TlsOptions {
    mode: String,
    root: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    others: String,
}

impl TlsOptions {
    fn take(query: &str) -> Result<Self, Error> {
        let mut options = Self {
            mode: "prefer".to_owned(),
            root: None,
            certificate: None,
            key: None,
            others: String::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "sslmode" => options.mode = decode(value),
                "sslrootcert" => options.root = Some(PathBuf::from(decode(value))),
                "sslcert" => options.certificate = Some(PathBuf::from(decode(value))),
                "sslkey" => options.key = Some(PathBuf::from(decode(value))),
                "sslcrl" | "sslcrldir" | "sslpassword" => {
                    return Err(url_error(&format!(
                        "`{key}` is not supported; supported for TLS are `sslmode`, \
                         `sslrootcert`, `sslcert` and `sslkey`"
                    )));
                }
                _ => options.pass_on(pair),
            }
        }
        Ok(options)
    }

    fn pass_on(&mut self, pair: &str) {
        self.others.push(if self.others.is_empty() { '?' } else { '&' });
        self.others.push_str(pair);
    }

    /// `allow` is plain at first; see [`Settings::encrypted`].
    fn negotiation(&self) -> Result<SslMode, Error> {
        match self.mode.as_str() {
            "disable" | "allow" => Ok(SslMode::Disable),
            "prefer" => Ok(SslMode::Prefer),
            "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
            other => Err(url_error(&format!(
                "sslmode `{other}` is not supported; use `disable`, `allow`, `prefer`, \
                 `require`, `verify-ca` or `verify-full`"
            ))),
        }
    }

    fn tls(&self) -> Result<Tls, Error> {
        let verify = match self.mode.as_str() {
            "verify-full" => Verify::ChainAndName,
            "verify-ca" => Verify::Chain,
            // libpq checks the chain as soon as a root certificate is given.
            "require" if self.root.is_some() => Verify::Chain,
            _ => Verify::Nothing,
        };
        let file = self.root.clone().filter(|path| path.as_os_str() != "system");
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(url_error("`sslcert` needs `sslkey` beside it")),
            (None, Some(_)) => return Err(url_error("`sslkey` needs `sslcert` beside it")),
        };
        Ok(Tls { verify, roots: file.map_or(Roots::System, Roots::File), client })
    }
}

/// Undoes %XX; a `+` stays one, as libpq has it.
fn decode(value: &str) -> String {
    let escaped = format!("v={}", value.replace('+', "%2B"));
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(_, text)| text.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings::from_url(url).unwrap()
    }

    fn refusal(url: &str) -> String {
        Settings::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn the_target_names_all_but_the_password() {
        let settings = settings("postgresql://ann:s3cret@db.example:6543/shop");
        let text = format!("{settings:?} {}", settings.target());
        assert!(text.contains("`shop` at `db.example:6543` as user `ann`"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn defaults_are_a_name_a_timeout_and_tls_if_offered() {
        let settings = settings("postgres://ann@h/shop");
        assert_eq!(settings.config().get_application_name(), Some("sync-engine"));
        assert_eq!(settings.patience(), CONNECT_TIMEOUT);
        assert_eq!(settings.config().get_ssl_mode(), SslMode::Prefer);
        assert_eq!(settings.target().port, 5432);
    }

    #[test]
    fn a_socket_folder_is_a_host() {
        assert_eq!(settings("postgres://ann@%2Frun%2Fpg/shop").target().host, "/run/pg");
        assert_eq!(settings("postgres:///shop?host=/run/pg&user=ann").target().host, "/run/pg");
    }

    #[test]
    fn a_bare_question_mark_in_a_password_is_understood() {
        let settings = settings("postgres://ann:a?b=c@h/d?sslmode=disable&connect_timeout=3");
        assert_eq!(settings.config().get_password(), Some(b"a?b=c".as_slice()));
        assert_eq!(settings.config().get_ssl_mode(), SslMode::Disable);
        assert_eq!(settings.patience(), Duration::from_secs(3));
    }

    #[test]
    fn each_of_several_hosts_has_its_time() {
        let settings = settings("postgres://ann@one,two:6543/shop?connect_timeout=3");
        assert_eq!(settings.patience(), Duration::from_secs(6));
    }

    #[test]
    fn a_root_certificate_goes_with_full_verification() {
        let settings = settings("postgres://a@h/d?sslmode=verify-full&sslrootcert=/ca%20+1.pem");
        assert_eq!(settings.tls().verify, Verify::ChainAndName);
        assert_eq!(settings.tls().roots, Roots::File("/ca +1.pem".into()));
        assert_eq!(settings.config().get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn a_root_certificate_makes_require_check_the_chain() {
        let verify = |url: &str| settings(url).tls().verify;
        assert_eq!(verify("postgres://a@h/d?sslmode=require"), Verify::Nothing);
        assert_eq!(verify("postgres://a@h/d?sslmode=require&sslrootcert=/ca"), Verify::Chain);
        assert_eq!(verify("postgres://a@h/d?sslmode=verify-ca"), Verify::Chain);
        for (mode, verify) in [("require", Verify::Chain), ("prefer", Verify::Nothing)] {
            let settings = settings(&format!("postgres://a@h/d?sslmode={mode}"));
            assert_eq!(settings.with_root_certificates("pem").tls().verify, verify, "{mode}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named_with_what_is() {
        assert!(refusal("postgres://a@h/d?sslmode=strict").contains("use `disable`, `allow`"));
        assert!(refusal("postgres://a@h/d?sslcrl=/k").contains("`sslcrl` is not supported"));
        assert!(refusal("postgres://a@h/d?sslkey=/k").contains("needs `sslcert`"));
        assert!(refusal("mysql://a@h/d").contains("scheme `postgres://`"));
    }

    #[test]
    fn an_error_about_the_url_never_repeats_it() {
        for url in [
            "postgres://ann:s3cret@h:port/d",
            "postgres://ann:s3cret@h/d?s3cret=1",
            "ann:s3cret@h",
            "s3cret://ann:s3cret@h",
        ] {
            assert!(!refusal(url).contains("s3cret"), "{url}");
        }
    }
}
