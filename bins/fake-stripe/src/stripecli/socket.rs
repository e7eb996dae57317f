//! One conversation through a WebSocket.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::time::{MissedTickBehavior, interval};

use super::session::Frame;
use crate::app::App;

/// How often it is looked whether something happened.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends each event that happens while the client is connected, until it goes. What happens
/// while nobody is connected is not sent later.
pub(crate) async fn converse(app: &App, mut socket: WebSocket, session: &str) {
    let Some(account) = app.sessions().account(session) else { return };
    let mut next = app.event_count(&account);
    app.sessions().connected();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => app.sessions().hear(&text),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            _ = ticks.tick() => {
                for event in app.events_since(&account, next) {
                    next += 1;
                    let frame = Frame { session, event: &event, time: app.seconds() };
                    if socket.send(Message::Text(frame.text().into())).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
