//! A `fake-stripe` of its own for each test.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use testkit::program::{Program, Running};

/// A local Stripe; it ends with its owner.
pub(crate) struct Fake {
    pub(crate) url: String,
    _running: Running,
}

impl Fake {
    /// Starts one with these objects and further arguments.
    pub(crate) async fn start(objects: &str, arguments: &[&str]) -> Self {
        let program = Program::named("fake-stripe")
            .args(["--port", "0", "--until-stdin-closes", "--objects", objects])
            .args(arguments);
        let mut running = program.start();
        let line = running.message(|message| message.get("listening").is_some()).await;
        Self { url: line["listening"].as_str().unwrap().to_owned(), _running: running }
    }

    /// What a whole copy of a stream holds: the objects as one line each, by id. Those that a page
    /// shows whole are byte for byte as they stand there.
    pub(crate) async fn oracle(&self, stream: &str) -> BTreeMap<String, String> {
        let mut objects = self.shown(stream).await;
        for (id, whole) in by_id(&self.get(&format!("/__oracle/{stream}?lists=whole")).await) {
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            if objects.get(&id).is_none_or(|shown| value(shown) != value(&whole)) {
                objects.insert(id, whole);
            }
        }
        objects
    }

    /// The objects of a stream as a page shows them.
    pub(crate) async fn shown(&self, stream: &str) -> BTreeMap<String, String> {
        by_id(&self.get(&format!("/__oracle/{stream}")).await)
    }

    /// Requests to a path so far.
    pub(crate) async fn requests(&self, path: &str) -> u64 {
        let stats: Value = serde_json::from_str(&self.get("/__stats").await).unwrap();
        stats["by_path"][path].as_u64().unwrap_or_default()
    }

    /// Changes something as an owner of the account would: parameters as a form.
    pub(crate) async fn post(&self, path: &str, form: &str) -> String {
        let request = client().post(format!("{}{path}", self.url));
        let request = request.bearer_auth("sk_test_0123456789abcd").body(form.to_owned());
        let answer = request.send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// Changes what it holds, as the body of `POST /__mutate` says.
    pub(crate) async fn mutate(&self, changes: &Value) {
        let request = client().post(format!("{}/__mutate", self.url)).body(changes.to_string());
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// Moves its clock on by so many seconds.
    pub(crate) async fn advance(&self, seconds: u32) {
        self.post("/__clock", &format!("{{\"advance\":{seconds}}}")).await;
    }

    /// The body of a path.
    pub(crate) async fn get(&self, path: &str) -> String {
        let request = client().get(format!("{}{path}", self.url));
        let answer = request.bearer_auth("sk_test_0123456789abcd").send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }
}

fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

fn by_id(lines: &str) -> BTreeMap<String, String> {
    let id = |line: &str| key(&serde_json::from_str(line).unwrap());
    lines.lines().map(|line| (id(line), line.to_owned())).collect()
}

/// What tells an object from the others of its stream: capabilities are called the same in every
/// account.
pub(crate) fn key(object: &Value) -> String {
    let id = object["id"].as_str().unwrap();
    match object["object"] == "capability" {
        true => format!("{id} of {}", object["account"].as_str().unwrap()),
        false => id.to_owned(),
    }
}
