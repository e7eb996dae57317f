//! The sockets: accepts connections, a bounded number at once, and ends those that only wait.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connector::{Error, Stop};
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::door::{Door, Reply};

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// How long to wait when the operating system gives no connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may stay; who has more to send connects again.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long the last answer of a connection may take after that.
const FAREWELL: Duration = Duration::from_secs(60);

/// Begins to listen; port 0 is a free one.
///
/// # Errors
///
/// When the address cannot be had.
pub(crate) async fn bind(host: IpAddr, port: u16) -> Result<TcpListener, Error> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).await.map_err(|error| {
        Error::config(format!("listening for webhooks on `{address}`"))
            .caused_by(error)
            .hint("give another `webhook_port` (0 is a free one) or `webhook_host`")
    })
}

/// Answers whoever connects, until the door is asked to close; ends when those who wait then have
/// their answers.
pub(crate) async fn serve(listener: TcpListener, door: Arc<Door>) {
    let room = Arc::new(Semaphore::new(door.bounds.connections));
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = door.stop.requested() => break,
            stream = accept(&listener, &room) => stream,
        };
        let Some((stream, place)) = stream else { continue };
        let (door, room) = (Arc::clone(&door), Arc::clone(&room));
        connections.spawn(async move {
            converse(stream, &door, &room).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection and its place among those that may be open; none after a failure.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::debug!("accepting a connection: {error}");
            sleep(PAUSE).await;
            None
        }
    }
}

async fn converse(stream: TcpStream, door: &Door, room: &Semaphore) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection that cannot be made quicker: {error}");
    }
    let service = service_fn(async |request| {
        let reply = door.answer(request).await;
        // Who keeps a place only to come back later must not keep others out.
        let is_short = room.available_permits() <= door.bounds.connections / 4;
        Ok::<_, Infallible>(response(reply, is_short))
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.bounds.head)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = asked_to_end(&door.stop) => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn asked_to_end(stop: &Stop) {
    tokio::select! {
        () = stop.requested() => {}
        () = sleep(LIFETIME) => {}
    }
}

fn response(reply: Reply, is_last: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{}\n", reply.text)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if is_last {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if reply.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
