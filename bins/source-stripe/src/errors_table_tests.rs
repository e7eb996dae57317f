//! `docs/stripe-errors.md`, row by row: what it says we do is what happens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Response, Uri};
use connector::{Emitter, Environment, Input, ReadRequest, Source as _, stop_channel};
use protocol::{Class, SourceState};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use super::*;
use crate::StripeSource;

const TABLE: &str = include_str!("../../../docs/stripe-errors.md");

/// Everything that a row may say is done.
const DEEDS: [&str; 13] = [
    "try 6 times",
    "wait and ask again for as long as it takes",
    "the connection has failed (`unreachable`)",
    "the connection has failed (`config`)",
    "the connection has failed (`credentials`)",
    "the connection has failed (`permission`)",
    "that stream fails (`unreachable`)",
    "that stream fails (`data`)",
    "skip the stream",
    "ask again from its second on",
    "the list is read from its top",
    "the object comes with its list as shown",
    "a warning",
];

/// How a row is played.
enum Play {
    /// What is decided about answers.
    Judged(Vec<Verdict>),
    /// What reads come to.
    Read(Vec<Scene>),
}

/// A read, and what Stripe answers in it where it does not answer as always.
struct Scene {
    streams: &'static [&'static str],
    config: Value,
    script: Script,
}

/// The status and the body of the answer to a path and query.
type Script = fn(&str, &str) -> Option<(u16, String)>;

/// What the table says of each row: what comes, and what we do.
fn rows() -> Vec<(String, BTreeSet<&'static str>)> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| ")).skip(2);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            assert_eq!(cells.len(), 3, "{line}");
            let deeds = DEEDS.into_iter().filter(|deed| cells[1].contains(deed));
            (cells[0].trim_start_matches("| ").to_owned(), deeds.collect())
        })
        .collect()
}

fn deed_of(text: &str) -> &'static str {
    DEEDS.into_iter().find(|deed| *deed == text).unwrap_or_else(|| panic!("no deed: {text}"))
}

fn failed(what: &str, class: Class) -> &'static str {
    let class = serde_json::to_value(class).unwrap();
    deed_of(&format!("{what} (`{}`)", class.as_str().unwrap()))
}

fn of_failure(failure: &Failure) -> &'static str {
    match failure {
        Failure::Connection(error) => failed("the connection has failed", error.class()),
        Failure::Stream(error) => failed("that stream fails", error.class()),
        Failure::Denied(_)
        | Failure::Unavailable(_)
        | Failure::CursorGone
        | Failure::Gone
        | Failure::TooLarge
        | Failure::NoCallsLeft => panic!("not an answer to be tried again: {failure:?}"),
    }
}

fn of_verdict(verdict: &Verdict) -> Vec<&'static str> {
    match verdict {
        Verdict::Again { forgiven: true, .. } => {
            vec!["wait and ask again for as long as it takes"]
        }
        Verdict::Again { failure, .. } => vec!["try 6 times", of_failure(failure)],
        Verdict::Final(failure) => vec![of_failure(failure)],
    }
}

fn question() -> Question {
    Question::of_stream("listing `charges` (GET /v1/charges)".to_owned(), "charges")
}

fn judged(status: u16, code: &str) -> Verdict {
    let body = json!({"error": {"code": code, "message": "words"}}).to_string();
    judge(&question(), &Answer { status, body: body.as_bytes(), ..Answer::default() })
}

/// A body with status 200 that is no page.
fn no_page(body: &str) -> Verdict {
    let stamp =
        crate::page::Stamp { updated_at: 0, emitted_at: protocol::Timestamp::from_seconds(0) };
    let frame = crate::page::Frame::new("charges", "acct_1", None);
    no_answer(&question(), crate::page::Page::read(body.as_bytes(), &frame, stamp).unwrap_err())
}

fn scene(script: Script) -> Scene {
    Scene { streams: &["customers", "charges"], config: json!({}), script }
}

/// A read in which the list of charges is refused.
macro_rules! refused {
    ($status:literal, $error:tt) => {
        scene(|path, _| {
            (path == "/v1/charges").then(|| ($status, json!({ "error": $error }).to_string()))
        })
    };
}

/// A read of invoices in which the rest of the lines of one is refused.
macro_rules! rest_refused {
    ($status:literal, $error:tt) => {
        Scene {
            streams: &["invoices"],
            ..scene(|path, _| match path {
                "/v1/invoices" => Some((200, invoice())),
                "/v1/invoices/in_1/lines" => {
                    Some(($status, json!({ "error": $error }).to_string()))
                }
                _ => None,
            })
        }
    };
}

fn invoice() -> String {
    let lines = json!({"object": "list", "has_more": true, "url": "/v1/invoices/in_1/lines",
        "data": [{"id": "il_1"}]});
    let invoice = json!({"id": "in_1", "created": 5, "lines": lines});
    json!({"object": "list", "data": [invoice], "has_more": false}).to_string()
}

/// Charges whose second page cannot follow the first.
fn cursor_gone(path: &str, query: &str) -> Option<(u16, String)> {
    let gone = json!({"code": "resource_missing", "param": "starting_after", "message": "gone"});
    match (path, query.contains("starting_after")) {
        ("/v1/charges", true) => Some((400, json!({ "error": gone }).to_string())),
        ("/v1/charges", false) => Some((200, page(&[("ch_1", 5)], !query.contains("created[lt]")))),
        _ => None,
    }
}

/// Accounts whose second page has a token that is refused once.
fn token_gone(path: &str, query: &str) -> Option<(u16, String)> {
    let gone = json!({"code": "invalid_page_token", "message": "gone"});
    let list = json!({"data": [{"id": "acct_2", "created": "2020-01-01T00:00:00Z"}],
        "next_page_url": format!("{path}?page=token")});
    let end = json!({"data": [], "next_page_url": null});
    static ASKED: Mutex<u32> = Mutex::new(0);
    match (path, query.contains("page=")) {
        ("/v2/core/accounts", true) => Some((400, json!({ "error": gone }).to_string())),
        ("/v2/core/accounts", false) => {
            let mut asked = ASKED.lock().unwrap();
            *asked += 1;
            Some((200, if *asked == 1 { list } else { end }.to_string()))
        }
        _ => None,
    }
}

/// Charges out of order.
fn disorder(path: &str, _: &str) -> Option<(u16, String)> {
    (path == "/v1/charges").then(|| (200, page(&[("ch_1", 5), ("ch_2", 7)], false)))
}

fn page(objects: &[(&str, i64)], has_more: bool) -> String {
    let objects = objects.iter().map(|(id, created)| json!({"id": id, "created": created}));
    let data: Vec<Value> = objects.collect();
    json!({"object": "list", "data": data, "has_more": has_more}).to_string()
}

/// Rows of answers that are none, and of places that are gone.
fn losses() -> Vec<(&'static str, Play)> {
    let unreached = || not_reached(&question(), "http://127.0.0.1:1", "refused");
    vec![
        ("nothing: refused, no route, no such host, TLS fails", Play::Judged(vec![unreached()])),
        (
            "no whole answer: time-out (60 s), reset, body cut, body that is no list",
            Play::Judged(vec![
                no_answer(&question(), "reset"),
                no_page("{\"data\":["),
                no_page("{}"),
            ]),
        ),
        (
            "200 with a web page or an empty body",
            Play::Judged(vec![no_page("<html>"), no_page("")]),
        ),
        ("301, 302 …", Play::Read(vec![refused!(301, {}), refused!(302, {})])),
        ("400 `resource_missing` for `starting_after`", Play::Read(vec![scene(cursor_gone)])),
        (
            "400 `invalid_page_token` for a list of API v2",
            Play::Read(vec![Scene { streams: &["v2_core_accounts"], ..scene(token_gone) }]),
        ),
    ]
}

/// Rows of lists that are refused.
fn refusals() -> Vec<(&'static str, Play)> {
    vec![
        (
            "401 for the rest of a list inside an object",
            Play::Read(vec![rest_refused!(401, {"message": "Invalid API Key"})]),
        ),
        (
            "403, 400, 404 for the rest of a list inside an object",
            Play::Read(vec![
                rest_refused!(403, {"message": "not permitted"}),
                rest_refused!(400, {"message": "no"}),
                rest_refused!(404, {"code": "resource_missing", "message": "No such invoice"}),
            ]),
        ),
        (
            "400 `parameter_unknown` and other 400s",
            Play::Read(vec![
                refused!(400, {"code": "parameter_unknown", "message": "Received unknown parameter: x"}),
                refused!(400, {"code": "resource_missing", "param": "customer", "message": "gone"}),
            ]),
        ),
        (
            "400, 403 \"not set up\", \"not enabled\", \"only in testmode\", \"have you onboarded\"",
            Play::Read(vec![
                refused!(400, {"message": "Your account is not set up to use Issuing."}),
                refused!(403, {"message": "Accounts v2 is not enabled for your account"}),
                refused!(400, {"message": "This endpoint is only available in testmode."}),
                refused!(400, {"message": "Have you onboarded to Treasury?"}),
            ]),
        ),
        ("401", Play::Read(vec![refused!(401, {"message": "Invalid API Key"})])),
        (
            "403 `account_invalid`",
            Play::Read(vec![refused!(403, {"code": "account_invalid", "message": "no access"})]),
        ),
        (
            "403 for one list",
            Play::Read(vec![refused!(403, {"message": "the 'rak_charge_read' permission"})]),
        ),
        (
            "403 for every list of several",
            Play::Read(vec![scene(|path, _| {
                let error = json!({"error": {"message": "not permitted"}}).to_string();
                matches!(path, "/v1/charges" | "/v1/customers").then_some((403, error))
            })]),
        ),
        (
            "403 for the account, and no `account_id` is given",
            Play::Read(vec![scene(|path, _| {
                (path == "/v1/account").then(|| (403, json!({"error": {}}).to_string()))
            })]),
        ),
    ]
}

/// Rows of lists that are not there.
fn absences() -> Vec<(&'static str, Play)> {
    vec![
        (
            "404 `Unrecognized request URL` for a list",
            Play::Read(vec![
                refused!(404, {"message": "Unrecognized request URL (GET: /v1/charges)."}),
            ]),
        ),
        (
            "404 for a list, in other words of Stripe's",
            Play::Read(vec![
                refused!(404, {"code": "resource_missing", "message": "No such thing"}),
            ]),
        ),
        (
            "404 with a body that is not Stripe's",
            Play::Read(vec![scene(|path, _| {
                (path == "/v1/charges").then(|| (404, "<html>nginx".to_owned()))
            })]),
        ),
    ]
}

/// Rows of what is tried again, or stands still.
fn trials() -> Vec<(&'static str, Play)> {
    let transient = [409, 500, 502, 503, 504].map(|status| judged(status, "api_error"));
    let told = |status, should_retry| {
        let answer = Answer { status, should_retry: Some(should_retry), ..Answer::default() };
        judge(&question(), &answer)
    };
    vec![
        ("409, 500, 502, 503, 504", Play::Judged(transient.into())),
        ("429", Play::Judged(vec![judged(429, "rate_limit")])),
        ("429 `lock_timeout`", Play::Judged(vec![judged(429, "lock_timeout")])),
        ("`Stripe-Should-Retry: true`, whatever the status", Play::Judged(vec![told(400, true)])),
        ("`Stripe-Should-Retry: false`, whatever the status", Play::Judged(vec![told(500, false)])),
        (
            "`has_more` with nothing in it, or a list that stands still",
            Play::Read(vec![
                scene(|path, _| (path == "/v1/charges").then(|| (200, page(&[], true)))),
                scene(|path, _| (path == "/v1/charges").then(|| (200, page(&[("ch_1", 5)], true)))),
            ]),
        ),
        ("objects out of order of time", Play::Read(vec![scene(disorder)])),
    ]
}

/// A read by script: what it printed, how it ended, and what was asked of which path.
struct Played {
    printed: Vec<Value>,
    ended: Result<(), Error>,
    asked: Vec<(String, String)>,
}

async fn read_by(scene: &Scene) -> Played {
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let (seen, script) = (Arc::clone(&asked), scene.script);
    let app = Router::new().fallback(async move |uri: Uri| {
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let query: Vec<String> = query.map(|(name, value)| format!("{name}={value}")).collect();
        let (path, query) = (uri.path().to_owned(), query.join("&"));
        seen.lock().unwrap().push((path.clone(), query.clone()));
        let (status, body) = script(&path, &query).unwrap_or_else(|| (200, as_always(&path)));
        Response::builder().status(status).body(Body::from(body)).unwrap()
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let (out, mut printed) = tokio::io::duplex(64 * 1024);
    let mut text = String::new();
    let (ended, read) = tokio::join!(read(scene, url, out), printed.read_to_string(&mut text));
    read.unwrap();
    let printed = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let asked = asked.lock().unwrap().clone();
    Played { printed, ended, asked }
}

async fn read(scene: &Scene, url: String, out: tokio::io::DuplexStream) -> Result<(), Error> {
    let mut config = json!({
        "api_key": "sk_test_0123456789abcd", "api_version": "2026-01-28.clover", "base_url": url,
        "rate_limit": 10_000, "endpoint_rate_limit": 10_000,
    });
    config.as_object_mut().unwrap().extend(scene.config.as_object().unwrap().clone());
    let stream = |name: &&str| {
        let stream =
            json!({"name": name, "primary_key": [["id"]], "newer_than_field": "_updated_at"});
        json!({"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"})
    };
    let catalog = json!({"streams": scene.streams.iter().map(stream).collect::<Vec<_>>()});
    let mut out = Emitter::new(out);
    let given = serde_json::from_value(config).unwrap();
    let source = StripeSource::open(given, &Environment::default(), &mut out).await?;
    let catalog = serde_json::from_value(catalog).unwrap();
    let (state, input) = (SourceState::default(), Input::empty());
    let (_stopper, stop) = stop_channel();
    let ended =
        source.read(ReadRequest { catalog, state, follow: false, input }, &mut out, stop).await;
    out.flush().await?;
    ended
}

fn as_always(path: &str) -> String {
    match path {
        "/v1/account" => json!({"id": "acct_1", "created": 1}).to_string(),
        "/v1/events" => page(&[], false),
        _ => page(&[("x_1", 5)], false),
    }
}

/// What a read shows to have been done about the last of its streams.
fn shown(scene: &Scene, played: &Played) -> BTreeSet<&'static str> {
    let mut deeds = BTreeSet::new();
    if let Err(error) = &played.ended {
        deeds.insert(failed("the connection has failed", error.class()));
        return deeds;
    }
    let last = scene.streams.last().unwrap();
    for message in &played.printed {
        let status = &message["stream_status"];
        let log = message["log"]["message"].as_str().unwrap_or_default();
        match status["status"].as_str() {
            Some("skip") if status["stream"] == *last => drop(deeds.insert("skip the stream")),
            Some("error") if status["stream"] == *last => {
                let class = serde_json::from_value(message["_class"].clone()).unwrap();
                deeds.insert(failed("that stream fails", class));
            }
            _ if log.contains("inside its objects are not whole") => {
                deeds.insert("the object comes with its list as shown");
            }
            _ if log.contains("is not in order of time") => drop(deeds.insert("a warning")),
            _ => {}
        }
    }
    deeds.extend(asked_again(&played.asked));
    deeds
}

/// Whether a list was asked for again without the cursor that was refused.
fn asked_again(asked: &[(String, String)]) -> Option<&'static str> {
    let at = asked
        .iter()
        .position(|(_, query)| query.contains("starting_after=") || query.contains("page="))?;
    let again = asked[at + 1..].iter().find(|(path, _)| *path == asked[at].0)?;
    match (&asked[at].1, &again.1) {
        (_, again) if again.contains("starting_after=") || again.contains("page=") => None,
        (before, again) if before.contains("starting_after=") => {
            again.contains("created[lt]=6").then_some("ask again from its second on")
        }
        _ => Some("the list is read from its top"),
    }
}

#[tokio::test]
async fn what_the_table_says_is_what_happens() {
    let rows = rows();
    let plays: Vec<(&str, Play)> =
        [losses(), refusals(), absences(), trials()].into_iter().flatten().collect();
    let names = |(name, _): &(&'static str, Play)| (*name).to_owned();
    let table: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        plays.iter().map(names).collect::<Vec<_>>(),
        table,
        "a row is missing or not played"
    );
    for ((name, said), (_, play)) in rows.iter().zip(&plays) {
        for done in outcomes(play).await {
            assert_eq!(done, *said, "{name}");
        }
    }
}

/// What a row comes to, each time it is played.
async fn outcomes(play: &Play) -> Vec<BTreeSet<&'static str>> {
    match play {
        Play::Judged(verdicts) => {
            verdicts.iter().map(|verdict| of_verdict(verdict).into_iter().collect()).collect()
        }
        Play::Read(scenes) => {
            let mut outcomes = Vec::new();
            for scene in scenes {
                outcomes.push(shown(scene, &read_by(scene).await));
            }
            outcomes
        }
    }
}

#[tokio::test]
async fn a_key_that_may_not_read_the_account_goes_on_where_the_account_is_named() {
    let mut scene =
        scene(|path, _| (path == "/v1/account").then(|| (403, json!({"error": {}}).to_string())));
    scene.config = json!({"account_id": "acct_1"});
    let played = read_by(&scene).await;
    assert!(played.ended.is_ok(), "{:?}", played.ended);
    assert_eq!(shown(&scene, &played), BTreeSet::new());
}
