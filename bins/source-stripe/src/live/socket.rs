//! The WebSocket of the Stripe CLI: opens a session, keeps a connection, and brings what comes
//! through it. An event that happens while nobody is connected does not come later: the poll has it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connector::{Error, Stop, retry};
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;
use uuid::Uuid;

use super::counts::{Counts, Fate};
use super::delivery::{Delivery, Via};
use super::frame::{Frame, Session};
use crate::client::{Call, Client, Writing};
use crate::errors::Failure;
use crate::page::Malformed;

/// Where sessions are opened.
const PATH: &str = "/v1/stripecli/sessions";
/// Longest time until a connection is made.
const CONNECT: Duration = Duration::from_secs(10);
/// How often we ask whether the other side is there.
const PING: Duration = Duration::from_secs(10);
/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest message: the longest event and what stands around it, in bytes.
const MAX_MESSAGE: usize = 12 * 1024 * 1024;

/// Brings what comes through the WebSocket.
pub(crate) struct Socket {
    /// Opens sessions, and takes words for people.
    pub(crate) client: Arc<Client>,
    /// The way to the read loop.
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    /// What became of events.
    pub(crate) counts: Arc<Counts>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// It was time to connect anew.
    #[error("it was time")]
    Due,
    /// No session can be had, now or later.
    #[error("{}", .0.report())]
    Refused(Error),
    /// No session can be had now.
    #[error("{}", .0.report())]
    NoSession(Error),
    /// The address of the session is none.
    #[error("the session's address is none")]
    NoAddress,
    /// Nobody answers.
    #[error("nothing was heard for {SILENCE:?}")]
    Silent,
    /// The connection failed.
    #[error("{0}")]
    Broken(#[from] Box<tungstenite::Error>),
}

impl From<tungstenite::Error> for Ended {
    fn from(error: tungstenite::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl Socket {
    /// Keeps a connection until a stop is asked for. What goes wrong is told, and never ends a read.
    pub(crate) async fn run(self, stop: Stop) -> Result<(), Error> {
        tokio::select! {
            () = stop.requested() => {}
            () = self.stay() => {}
        }
        Ok(())
    }

    async fn stay(&self) {
        let (mut session, mut failures) = (None, 0_u32);
        loop {
            let why = match self.connect(&mut session).await {
                Ended::Due => {
                    failures = 0;
                    continue;
                }
                Ended::Refused(error) => {
                    let told = "no events come through the WebSocket";
                    return self.client.tell(format!("{told}: {}", error.report()));
                }
                why @ (Ended::NoSession(_)
                | Ended::NoAddress
                | Ended::Silent
                | Ended::Broken(_)) => why,
            };
            session = None;
            failures = failures.saturating_add(1);
            if failures == 1 {
                self.client.tell(format!("the WebSocket is closed, and is opened again: {why}"));
            }
            let wait = retry::wait(failures.min(retry::TRIES - 1), None, retry::jitter());
            sleep(wait.unwrap_or(CONNECT)).await;
        }
    }

    /// Connects once, in the session that there is or a new one, and stays as long as that goes well.
    async fn connect(&self, session: &mut Option<Session>) -> Ended {
        let found = match session.take() {
            Some(session) => Ok(session),
            None => self.open_session().await,
        };
        let open = match found {
            Ok(open) => session.insert(open),
            Err(ended) => return ended,
        };
        match dial(open).await {
            Ok(socket) => {
                self.converse(socket, open.reconnect_delay).await.unwrap_or_else(|why| why)
            }
            Err(ended) => ended,
        }
    }

    async fn open_session(&self) -> Result<Session, Ended> {
        let permission = "leave `websocket` out, or give a secret key".to_owned();
        let call =
            Call::with_permission("opening a session of the Stripe CLI", "POST", PATH, permission);
        let form = [("device_name", "sync-engine"), ("websocket_features[]", "webhooks")];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let writing = Writing::Post { form, idempotency_key: Uuid::new_v4().to_string() };
        let answer = self.client.write(&call, &writing, |reply| {
            serde_json::from_slice::<Session>(&reply.body)
                .map_err(|error| Malformed::new(format!("an answer that is no session: {error}")))
        });
        answer.await.map_err(|failure| match failure {
            Failure::Connection(error) | Failure::Stream(error) => match error.retry() {
                connector::Retry::Later => Ended::NoSession(error),
                connector::Retry::AfterFix | connector::Retry::Never => Ended::Refused(error),
            },
            Failure::Denied(why) | Failure::Unavailable(why) => {
                Ended::Refused(Error::permission(why))
            }
            Failure::NoCallsLeft | Failure::CursorGone | Failure::Gone | Failure::TooLarge => {
                Ended::Refused(Error::config("opening a session: no request is allowed"))
            }
        })
    }

    /// Brings every event, and answers it once it is known what became of it.
    async fn converse(
        &self,
        socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
        seconds: u64,
    ) -> Result<Ended, Ended> {
        let due = sleep_until(Instant::now() + Duration::from_secs(seconds.max(1)));
        tokio::pin!(due);
        let (mut say, mut hear) = socket.split();
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut open, mut heard) = (FuturesUnordered::new(), Instant::now());
        loop {
            tokio::select! {
                () = &mut due, if open.is_empty() => return Ok(Ended::Due),
                Some(replies) = open.next() => {
                    for reply in replies {
                        say.send(Message::text(reply)).await?;
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Ended::Silent);
                    }
                    say.send(Message::Ping(Bytes::new())).await?;
                }
                message = hear.next() => {
                    heard = Instant::now();
                    let message = message.ok_or(tungstenite::Error::ConnectionClosed)??;
                    let frame = message.to_text().ok().and_then(Frame::read);
                    open.extend(frame.map(|frame| self.bring(frame)));
                }
            }
        }
    }

    async fn bring(&self, frame: Frame) -> [String; 2] {
        let event = Bytes::from(frame.event_payload.clone());
        let (delivery, outcome) = Delivery::new(event, Via::Socket);
        let outcome = match self.deliveries.try_send(delivery) {
            Ok(()) => outcome.await.ok(),
            Err(_) => None,
        };
        self.counts.add(Fate::of(outcome.as_ref()));
        frame.replies(outcome.as_ref())
    }
}

async fn dial(session: &Session) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Ended> {
    let mut url = Url::parse(&session.websocket_url).map_err(|_| Ended::NoAddress)?;
    url.query_pairs_mut().append_pair("websocket_feature", &session.feature);
    let mut request = url.as_str().into_client_request()?;
    let id = HeaderValue::from_str(&session.websocket_id).map_err(|_| Ended::NoAddress)?;
    request.headers_mut().insert("Websocket-Id", id);
    let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE));
    let dialling = connect_async_with_config(request, Some(limits), true);
    let (socket, _) = timeout(CONNECT, dialling).await.map_err(|_| Ended::Silent)??;
    Ok(socket)
}
