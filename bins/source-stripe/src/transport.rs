//! Connections to Stripe: kept alive, with TLS, through the proxy that the environment names.
//!
//! Each keeps room for as much as it may read at once, and there are many of them, so that is
//! little.

use std::time::Duration;

use bytes::Bytes;
use connector::Error;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error as Unanswered};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

/// Longest time until a connection is made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection stays unused.
const IDLE: Duration = Duration::from_secs(90);
/// After this time without a word the other side is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most bytes that a connection reads at once, and keeps room for; over HTTP/1.1 also what it has
/// read of an answer that nobody reads yet.
const READ_AT_ONCE: usize = 32 * 1024;

type Direct = HttpsConnector<HttpConnector>;
type Pool<C> = Client<C, Full<Bytes>>;

/// Connections to one server.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Straight to it.
    Direct(Box<Pool<Direct>>),
    /// Through a proxy, which is told to connect to it (`CONNECT`).
    Tunnelled(Box<Pool<HttpsConnector<Tunnel<Direct>>>>),
}

impl Transport {
    /// Connections to the server of this address, none of them made yet. `HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY` and `NO_PROXY` count, and `SSL_CERT_FILE`.
    ///
    /// # Errors
    ///
    /// When that is no address.
    pub(crate) fn open(base_url: &str) -> Result<Self, Error> {
        let base: Uri = base_url.parse().map_err(|error| {
            Error::config(format!("reading `base_url`: `{base_url}` is no URL: {error}"))
        })?;
        let proxy = Matcher::from_env().intercept(&base);
        let schemes =
            [base.scheme_str(), proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str())];
        let tls = tls(schemes.contains(&Some("https")));
        let Some(proxy) = proxy else {
            let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
            let direct = pool(https.enable_all_versions().wrap_connector(tcp()));
            return Ok(Self::Direct(Box::new(direct)));
        };
        let to_proxy = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let to_proxy = to_proxy.enable_http1().wrap_connector(tcp());
        let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        let tunnel = match proxy.basic_auth() {
            Some(auth) => tunnel.with_auth(auth.clone()),
            None => tunnel,
        };
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let tunnelled = pool(https.enable_all_versions().wrap_connector(tunnel));
        Ok(Self::Tunnelled(Box::new(tunnelled)))
    }

    /// Makes a request; the answer is here with its head.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        match self {
            Self::Direct(pool) => pool.request(request).await,
            Self::Tunnelled(pool) => pool.request(with_port(request)).await,
        }
    }
}

/// A proxy is told a port, which for HTTP is not the one that a tunnel is usually made to.
fn with_port(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let uri = request.uri();
    if uri.scheme_str() != Some("http") || uri.port().is_some() {
        return request;
    }
    let mut parts = uri.clone().into_parts();
    parts.authority = uri.host().and_then(|host| format!("{host}:80").parse().ok());
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp
}

fn pool<C>(connector: C) -> Pool<C>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(READ_AT_ONCE)
        .build(connector)
}

/// TLS that believes whom the system believes. Where nothing needs it, nothing is read for it.
fn tls(is_needed: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if is_needed {
        let found = rustls_native_certs::load_native_certs();
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(roots = roots.len(), unusable, errors = ?found.errors, "certificates");
    }
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}
