//! The task that sends webhooks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Uri};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::queue::Delivery;
use crate::app::App;

/// How often it is looked whether something is due.
const PAUSE: Duration = Duration::from_millis(10);

/// Stripe waits about as long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Webhooks on their way at once.
const AT_ONCE: usize = 64;

/// One request to an endpoint.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: String,
}

/// Sends what is due, for ever.
pub(crate) async fn send_all(app: Arc<App>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sending = JoinSet::new();
    loop {
        ticks.tick().await;
        for (account, delivery) in app.due_webhooks() {
            while sending.len() >= AT_ONCE {
                sending.join_next().await;
            }
            sending.spawn(deliver(Arc::clone(&app), account, delivery));
        }
        while sending.try_join_next().is_some() {}
    }
}

async fn deliver(app: Arc<App>, account: String, delivery: Delivery) {
    let Some(message) = app.webhook(&account, &delivery) else { return };
    let status = timeout(PATIENCE, post(message)).await;
    let accepted = status.is_ok_and(|status| status.is_ok_and(|code| (200..300).contains(&code)));
    app.settle_webhook(&account, delivery, accepted);
}

/// Posts a message and gives the status of the answer. Nothing leaves loopback.
async fn post(message: Message) -> io::Result<u16> {
    let uri: Uri = message.url.parse().map_err(io::Error::other)?;
    let host = uri.host().unwrap_or_default();
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        return Err(io::Error::other("the endpoint is not on this machine"));
    }
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header("host", uri.authority().map_or(host, |authority| authority.as_str()))
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", message.signature)
        .header("connection", "close")
        .body(Body::from(message.body))
        .map_err(io::Error::other)?;
    let answer = async { sender.send_request(request).await };
    let (answer, _) = tokio::join!(answer, connection);
    Ok(answer.map_err(io::Error::other)?.status().as_u16())
}
