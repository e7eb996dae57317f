//! A server that answers by script: what `fake-stripe` does not play.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request as the script sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// How many requests to this path came before.
    pub(crate) before: usize,
}

/// A running server and what it was asked.
pub(crate) struct Scripted {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: JoinSet<()>,
}

impl Scripted {
    /// Answers `/v1/account` itself, and everything else by the script.
    pub(crate) async fn start(
        script: impl Fn(&Asked) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::bare(move |asked| {
            if asked.path.ends_with("/v1/account") {
                return list(
                    &json!({"id": "acct_1", "object": "account", "created": 1_500_000_000}),
                );
            }
            script(asked)
        })
        .await
    }

    /// Answers everything by the script.
    pub(crate) async fn bare(
        script: impl Fn(&Asked) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let app =
            Router::new().fallback(async move |request: Request| script(&note(&request, &seen)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, _server: server }
    }

    /// Everything that was asked but the account.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let all = self.asked.lock().unwrap().clone();
        all.into_iter().filter(|asked| !asked.path.ends_with("/v1/account")).collect()
    }
}

fn note(request: &Request, seen: &Mutex<Vec<Asked>>) -> Asked {
    let url = url::Url::parse(&format!("http://x{}", request.uri())).unwrap();
    let path = url.path().to_owned();
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let mut seen = seen.lock().unwrap();
    let before = seen.iter().filter(|asked| asked.path == path).count();
    let query = url.query_pairs().into_owned().collect();
    let asked =
        Asked { path, query, headers: request.headers().iter().map(text).collect(), before };
    seen.push(asked.clone());
    asked
}

/// An answer with a status and a body.
pub(crate) fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// A whole, good answer.
pub(crate) fn list(body: &Value) -> Response<Body> {
    answer(200, serde_json::to_string_pretty(body).unwrap())
}

/// A page of objects made of id and creation time.
pub(crate) fn page(objects: &[(&str, i64)], has_more: bool) -> Value {
    let data: Vec<Value> =
        objects.iter().map(|(id, created)| json!({"id": id, "created": created})).collect();
    json!({"object": "list", "data": data, "has_more": has_more, "url": "/"})
}
