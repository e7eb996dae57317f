//! The program: listens, answers, ends when told to.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, Response};
use axum::routing::any;
use axum::serve::ListenerExt as _;
use clap::Parser as _;
use serde_json::json;
use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::answer::ApiError;
use crate::app::{App, Asked};
use crate::cli::{ArgumentError, Arguments, Rate};
use crate::deliver;
use crate::stripecli::converse;
use crate::webhooks::send_all;

/// Nothing that is told the fake is longer; objects of several megabytes fit.
const MAX_BODY: usize = 64 * 1024 * 1024;

#[derive(Debug, Error)]
enum ServeError {
    #[error("{0}")]
    Arguments(#[from] ArgumentError),
    #[error("starting the runtime: {0}")]
    Runtime(io::Error),
    #[error("listening on port `{port}`: {source}; give another --port, or 0 for a free one")]
    Listen { port: u16, source: io::Error },
    #[error("serving: {0}")]
    Serve(#[from] io::Error),
}

/// Runs the program to its end and gives its exit status: 0 when told to end, 2 for arguments
/// that cannot be played, 1 for anything else.
pub fn run() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = if matches!(error, ServeError::Arguments(_)) { 2 } else { 1 };
            match writeln!(io::stderr(), "error: {error}") {
                Ok(()) | Err(_) => ExitCode::from(code),
            }
        }
    }
}

fn serve(arguments: &Arguments) -> Result<(), ServeError> {
    let facts = arguments.facts()?;
    let app = App::new(&arguments.population(facts)?, arguments.behaviour(facts)?);
    let runtime = Runtime::new().map_err(ServeError::Runtime)?;
    let outcome = runtime.block_on(listen(arguments, app));
    // A read of standard input cannot be cancelled, and must not keep the program.
    runtime.shutdown_background();
    outcome
}

async fn listen(arguments: &Arguments, app: App) -> Result<(), ServeError> {
    let port = arguments.port;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|source| ServeError::Listen { port, source })?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    announce(&listener)?;
    let latency = Duration::from_millis(arguments.latency_ms);
    let app = Arc::new(app);
    let service = Service { app: Arc::clone(&app), latency, gzip: arguments.gzip };
    let router =
        Router::new().route("/__stripecli", any(subscribe)).fallback(respond).with_state(service);
    // A connection that cannot be made quicker is served all the same.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
    tokio::select! {
        outcome = axum::serve(listener, router) => outcome?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = mutate(&app, arguments.change.mutate) => {}
        () = send_all(Arc::clone(&app)) => {}
        () = stdin_closed(), if arguments.until_stdin_closes => {}
    }
    Ok(())
}

/// Tells whoever started the program where it listens: one line of JSON.
fn announce(listener: &TcpListener) -> io::Result<()> {
    let address = format!("http://{}", listener.local_addr()?);
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", json!({"listening": address}))?;
    stdout.flush()
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 256];
    while stdin.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

#[derive(Clone)]
struct Service {
    app: Arc<App>,
    latency: Duration,
    /// Whether answers are compressed for those who take that.
    gzip: bool,
}

async fn respond(State(service): State<Service>, request: Request) -> Response<Body> {
    let app = &service.app;
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let message = format!("fake-stripe reads no body over {MAX_BODY} bytes");
        return deliver::response(ApiError::invalid(413, message).into()).await;
    };
    let path = head.uri.path();
    let asked = Asked {
        method: head.method.as_str(),
        path,
        query: head.uri.query().unwrap_or_default(),
        authorization: text(&head.headers, "authorization"),
        version: text(&head.headers, "stripe-version"),
        account: text(&head.headers, "stripe-account"),
        host: text(&head.headers, "host"),
        idempotency_key: text(&head.headers, "idempotency-key"),
        body: &body,
    };
    if app.is_ours(path) {
        return deliver::response(app.answer(asked)).await;
    }
    let in_flight = app.stats().begin();
    if !service.latency.is_zero() {
        tokio::time::sleep(service.latency).await;
    }
    let mut answer = app.answer(asked);
    let takes = text(&head.headers, "accept-encoding").unwrap_or_default();
    if service.gzip && takes.contains("gzip") {
        answer = deliver::compress(answer);
    }
    in_flight.answered(&app.endpoint(path), &answer);
    deliver::response(answer).await
}

/// A client of a session of the Stripe CLI connects.
async fn subscribe(
    State(service): State<Service>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let session = text(&headers, "websocket-id").unwrap_or_default().to_owned();
    if service.app.sessions().account(&session).is_none() {
        let message = format!("there is no session `{session}`; open one first");
        return deliver::response(ApiError::invalid(404, message).into()).await;
    }
    upgrade.on_upgrade(async move |socket| converse(&service.app, socket, &session).await)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Changes things for ever, so many times a second.
async fn mutate(app: &App, rate: Option<Rate>) {
    let Some(rate) = rate else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(rate.pause());
    loop {
        ticks.tick().await;
        app.mutate(1);
    }
}
