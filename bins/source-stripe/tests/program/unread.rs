//! Many answers at once, and room for few: those that have none wait unread, each in its own
//! connection.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::large::shown;
use crate::run::{catalog, config, copied, read};
use crate::scripted::{Asked, Scripted, list};

const FIRST: i64 = 1_600_000_000;
/// Objects that stand alone in their time, and seconds between them.
const ALONE: i64 = 60;
const APART: i64 = 100_000;
/// Objects of the last seconds: a page, from which it is seen how dense the list is.
const TOGETHER: i64 = 100;
/// Bytes of a page, in objects of either kind. Fewer than twenty have room at once.
const PAGE: usize = 400_000;
/// As many requests have to be under way before one of them is answered.
const AT_ONCE: usize = 40;

fn created(at: i64) -> i64 {
    let alone = at.min(ALONE);
    FIRST + APART / 2 + alone * APART + (at - alone)
}

fn history(asked: &Asked) -> String {
    let (page, has_more) = shown(asked, ALONE + TOGETHER, created);
    let size = |at: i64| if at < ALONE { PAGE } else { PAGE / 100 };
    let object = |at: i64| json!({"id": format!("cus_{at:03}"), "created": created(at), "fat": "x".repeat(size(at))});
    let data: Vec<Value> = page.into_iter().map(object).collect();
    json!({"object": "list", "data": data, "has_more": has_more}).to_string()
}

/// An answer whose body is sent once the gate is closed.
fn behind(gate: &Arc<Semaphore>, body: String) -> Response<Body> {
    let (gate, length) = (Arc::clone(gate), body.len());
    let body = stream::once(async move {
        drop(gate.acquire().await);
        Ok::<_, Infallible>(Bytes::from(body))
    });
    let answer = Response::builder().header("Content-Length", length);
    answer.body(Body::from_stream(body)).unwrap()
}

#[tokio::test]
async fn as_many_pages_as_are_allowed_are_asked_for_however_little_room_there_is() {
    let (parts, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let stripe = Scripted::bare(move |asked| match asked.path.as_str() {
        "/v1/account" => list(&json!({"id": "acct_1", "object": "account", "created": FIRST})),
        "/v1/customers" if asked.query.contains_key("created[lt]") => {
            if parts.fetch_add(1, Ordering::Relaxed) + 1 == AT_ONCE {
                gate.close();
            }
            behind(&gate, history(asked))
        }
        "/v1/customers" => Response::new(history(asked).into()),
        _ => list(&json!({"object": "list", "data": [], "has_more": false})),
    })
    .await;
    let config = config(&stripe.url, json!({"max_in_flight": 100}));
    let finished = read(&config, &catalog(&["customers"]), None).run("").await.expect_code(0);
    let copied = copied(&finished);
    assert_eq!(copied.records["customers"].len(), usize::try_from(ALONE + TOGETHER).unwrap());
    assert!(copied.ended("customers", "complete"));
    let asked = stripe.asked();
    let different: BTreeSet<_> = asked.iter().map(|asked| (&asked.path, &asked.query)).collect();
    assert_eq!(different.len(), asked.len(), "no answer was lost");
}
