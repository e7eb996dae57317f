//! The fake behind HTTP, on a free port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{Response, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::api::{Asked, Books, Refusal, answer};
use super::book::{Book, Tab};
use super::grid::Grid;
use super::token;
use super::traffic::{Effect, Fault, Kind, Quota, Request};
use crate::failure::{fail, loud};

/// Bytes of a body that the API takes.
const MOST_BYTES: usize = 10_000_000;
/// A token that is good from the start and for ever.
const STANDING: &str = "canary-standing-token-0123";

/// A hand that edits a spreadsheet just before a request is answered.
type Hand = Box<dyn FnOnce(&mut Book) + Send>;

struct World {
    books: Books,
    address: String,
    started: Instant,
    log: Vec<Request>,
    faults: Vec<Fault>,
    hands: Vec<(Fault, Option<Hand>)>,
    holds: Vec<(Fault, Option<oneshot::Sender<()>>)>,
    quota: Option<Quota>,
    /// Access tokens, and when they expire.
    tokens: BTreeMap<String, Option<Duration>>,
    token_lifetime: Duration,
}

/// A running Sheets API; it ends when this is dropped.
pub struct FakeSheets {
    world: Arc<Mutex<World>>,
    address: String,
    _server: JoinSet<()>,
}

impl std::fmt::Debug for FakeSheets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeSheets").field("address", &self.address).finish_non_exhaustive()
    }
}

impl FakeSheets {
    /// Starts one without spreadsheets.
    pub async fn start() -> Self {
        let listener = loud("listening for requests", TcpListener::bind("127.0.0.1:0").await);
        let address = loud("asking for the port", listener.local_addr());
        let address = format!("http://{address}");
        let world = Arc::new(Mutex::new(World {
            books: Books::new(),
            address: address.clone(),
            started: Instant::now(),
            log: Vec::new(),
            faults: Vec::new(),
            hands: Vec::new(),
            holds: Vec::new(),
            quota: None,
            tokens: BTreeMap::from([(STANDING.to_owned(), None)]),
            token_lifetime: Duration::from_secs(3600),
        }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                fail(&format!("serving: {error}"));
            }
        });
        Self { world, address, _server: server }
    }

    /// The address of the API.
    pub fn url(&self) -> String {
        self.address.clone()
    }

    /// The address of the token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.address)
    }

    /// The key file of a service account that may edit everything here.
    pub fn service_account(&self) -> Value {
        token::service_account()
    }

    /// `client_id`, `client_secret` and `refresh_token` of a person who may.
    pub fn refresh(&self) -> Value {
        token::refresh()
    }

    /// An access token that is good for ever.
    pub fn access_token(&self) -> &'static str {
        STANDING
    }

    /// Makes a spreadsheet with one empty tab, as a person does, and gives its id.
    pub fn spreadsheet(&self, title: &str) -> String {
        let mut world = self.world();
        let mut book = Book { title: title.to_owned(), ..Book::default() };
        if let Err(refusal) = book.add(Tab::new(0, "Sheet1", Grid::new(1000, 26)), None) {
            fail(&refusal.message);
        }
        let id = format!("by-hand-{}", world.books.len().saturating_add(1));
        world.books.insert(id.clone(), book);
        id
    }

    /// Looks at a spreadsheet, or edits it as a person does.
    #[track_caller]
    pub fn edit<T>(&self, spreadsheet: &str, work: impl FnOnce(&mut Book) -> T) -> T {
        match self.world().books.get_mut(spreadsheet) {
            Some(book) => work(book),
            None => fail(&format!("no spreadsheet `{spreadsheet}`")),
        }
    }

    /// Edits the first spreadsheet just before a request is answered: number `after` (from 0) of those whose
    /// line has `line` in it.
    pub fn edit_before(
        &self,
        (line, after): (&str, usize),
        work: impl FnOnce(&mut Book) + Send + 'static,
    ) {
        let when = Fault { after, ..Fault::once(line, 0) };
        self.world().hands.push((when, Some(Box::new(work))));
    }

    /// The ids of all spreadsheets.
    pub fn spreadsheets(&self) -> Vec<String> {
        self.world().books.keys().cloned().collect()
    }

    /// Answers some requests with an error.
    pub fn fail(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    /// Forgets all faults, holds and hands that wait for their request.
    pub fn forgive(&self) {
        let mut world = self.world();
        world.faults.clear();
        world.hands.clear();
        world.holds.clear();
    }

    /// Never answers a request: number `after` (from 0) of those whose line has `line` in it. Done
    /// when it has come.
    pub fn hold(&self, (line, after): (&str, usize)) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        let when = Fault { after, ..Fault::once(line, 0) };
        self.world().holds.push((when, Some(sender)));
        async move {
            if receiver.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Answers 429 beyond so many requests of a kind in a window; `tells`: and says how long to wait.
    pub fn limit(&self, most: usize, window: Duration, tells: bool) {
        self.world().quota = Some(Quota { most, window, tells });
    }

    /// How long tokens are good from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.world().token_lifetime = lifetime;
    }

    /// Everything that was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.world().log.clone()
    }

    /// How many requests to the API were asked; those for tokens are not counted.
    pub fn request_count(&self) -> usize {
        self.world().log.iter().filter(|request| request.kind != Kind::Token).count()
    }

    /// Forgets what was asked.
    pub fn forget_requests(&self) {
        self.world().log.clear();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(world): State<Arc<Mutex<World>>>, request: HttpRequest) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MOST_BYTES).await.unwrap_or_default();
    let size = body.len();
    let bearer = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let path = decoded(head.uri.path());
    let line = format!("{} {path}", head.method);
    let kind = match head.method.as_str() {
        _ if path == "/token" => Kind::Token,
        "GET" => Kind::Read,
        _ => Kind::Write,
    };
    if is_held(&world, &line) {
        std::future::pending::<()>().await;
    }
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = Asked {
        method: head.method.to_string(),
        path,
        query: pairs(head.uri.query().unwrap_or_default()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        effect: Effect::Nothing,
    };
    let form =
        if kind == Kind::Token { pairs(&String::from_utf8_lossy(&body)) } else { Vec::new() };
    let came = Came { line: &line, kind, bearer, form: &form };
    let (answer, retry_after) = world.answer(&came, asked);
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(refusal) => (refusal.status, refusal.body()),
    };
    let at = world.started.elapsed();
    world.log.push(Request { line, kind, at, status, bytes: size });
    let mut response =
        Response::builder().status(status).header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    let text = if body.is_null() { String::new() } else { body.to_string() };
    loud("building an answer", response.body(Body::from(text)))
}

fn is_held(world: &Mutex<World>, line: &str) -> bool {
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let mut is_held = false;
    for (when, sender) in &mut world.holds {
        if when.strikes(line)
            && let Some(sender) = sender.take()
        {
            // Whoever waited may have given up.
            is_held = sender.send(()).is_ok();
        }
    }
    is_held
}

/// A request before it is known whether it may be answered.
struct Came<'a> {
    line: &'a str,
    kind: Kind,
    bearer: &'a str,
    form: &'a [(String, String)],
}

impl World {
    /// The answer, and how long to wait before the next try where it says so.
    fn answer(&mut self, came: &Came<'_>, asked: Asked) -> (Result<Value, Refusal>, Option<u64>) {
        for (when, hand) in &mut self.hands {
            let books = &mut self.books;
            if when.strikes(came.line)
                && let Some(hand) = hand.take()
                && let Some(book) = books.values_mut().next()
            {
                hand(book);
            }
        }
        let now = self.started.elapsed();
        if let Some(quota) = self.quota.as_ref().filter(|_| came.kind != Kind::Token)
            && let Err(wait) = quota.admits(came.kind, now, &self.log)
        {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            let refusal = Refusal::new(429, "Quota exceeded for quota metric.");
            return (Err(refusal), quota.tells.then_some(seconds));
        }
        let struck = self
            .faults
            .iter_mut()
            .find_map(|fault| fault.strikes(came.line).then(|| fault.clone()));
        let Some(fault) = struck else { return (self.allowed(came, &asked), None) };
        if fault.effect != Effect::Nothing {
            let asked = Asked { effect: fault.effect, ..asked };
            drop(self.allowed(came, &asked));
        }
        (
            Err(Refusal::new(fault.status, "The service is currently unavailable.")),
            fault.retry_after,
        )
    }

    fn allowed(&mut self, came: &Came<'_>, asked: &Asked) -> Result<Value, Refusal> {
        let now = self.started.elapsed();
        if came.kind == Kind::Token {
            let audience = format!("{}/token", self.address);
            token::check(came.form, &audience, seconds_now())?;
            let token = format!("canary-access-token-{}", self.tokens.len());
            let until = now.saturating_add(self.token_lifetime);
            self.tokens.insert(token.clone(), Some(until));
            let lifetime = self.token_lifetime.as_secs();
            return Ok(
                json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"}),
            );
        }
        match self.tokens.get(came.bearer) {
            Some(None) => {}
            Some(Some(until)) if now < *until => {}
            Some(Some(_)) | None => {
                return Err(Refusal::new(401, "Request had invalid authentication credentials."));
            }
        }
        answer(&mut self.books, asked)
    }
}

#[expect(clippy::disallowed_methods, reason = "a grant is checked against the clock of the day")]
fn seconds_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default()
}

/// Names and values of a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    };
    parts.map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = (*first == b'%').then(|| more.get(..2)).flatten();
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
