//! Webhooks into a copy, late, out of order and twice, while each of the programs dies: what Stripe
//! was told to have arrived is in the copy, and once all has arrived the tables equal the oracle.
//! Nothing is polled, so nothing but the webhooks can have brought it.

use serde_json::Value;
use testkit::family;
use testkit::postgres::Cluster;
use testkit::program::{Program, Running, Signal};
use testkit::stripe::FakeStripe;
use testkit::wait::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::copy::Copy;

const STREAMS: [&str; 5] =
    ["customers", "products", "coupons", "subscriptions", "subscription_items"];
const OBJECTS: &str = "customers=60,products=20,coupons=10,subscriptions=40,events=0";
/// What changes (not the webhook endpoint), and how webhooks come.
const MANNER: [&str; 6] = [
    "--mutate-streams",
    "customers,products,coupons,subscriptions",
    "--webhook-late",
    "2",
    "--webhook-twice",
    "0.3",
];

/// Everything that follows one account into one copy.
struct Following<'a> {
    copy: &'a Copy<'a>,
    stripe: FakeStripe,
    folder: tempfile::TempDir,
    port: u16,
}

impl Following<'_> {
    fn sync(&self) -> Program {
        let url = format!("http://127.0.0.1:{}/webhook", self.port);
        self.copy
            .sync(&self.stripe, self.folder.path())
            .args(["--streams", &STREAMS.join(","), "--destination.deletes", "hard"])
            .args(["--source.webhook_url", &url])
            .args(["--source.webhook_port", &self.port.to_string()])
            .args(["--source.poll_events", "false", "-q"])
    }

    /// A run that follows and takes webhooks.
    async fn start(&self) -> Running {
        let running = self.sync().arg("--follow").start();
        until("the listener answers", async || self.is_healthy().await).await;
        running
    }

    async fn is_healthy(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else {
            return false;
        };
        let asked = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.write_all(asked).await.is_ok()
            && stream.read_to_string(&mut answer).await.is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// How many webhooks the fake counts under a name.
    async fn count(&self, name: &str) -> u64 {
        let counts: Value = serde_json::from_str(&self.stripe.get("/__webhooks").await).unwrap();
        counts[name].as_u64().unwrap()
    }

    /// Waits until so many more webhooks were confirmed.
    async fn confirmed(&self, more: u64) {
        let before = self.count("delivered").await;
        until("webhooks are confirmed", async || self.count("delivered").await >= before + more)
            .await;
    }
}

/// A port that nobody has now. It is registered with Stripe, so every start needs the same.
async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Kills one of the three while webhooks come.
async fn strike(following: &Following<'_>, victim: &str) {
    let running = following.start().await;
    following.stripe.mutate(15).await;
    following.confirmed(5).await;
    following.stripe.mutate(10).await;
    let id = match victim {
        "sync-engine" => running.id(),
        child => family::children(running.id(), child).pop().expect("it runs"),
    };
    assert!(family::kill(id));
    let ended = running.finish().await;
    assert_ne!(ended.code(), Some(0), "{}", ended.stderr);
    until("nobody listens", async || !following.is_healthy().await).await;
}

/// Lets everything arrive, and stops in order.
async fn settle(following: &Following<'_>) {
    let running = following.start().await;
    following.stripe.mutate(15).await;
    // What found nobody comes again up to a minute later.
    following.stripe.advance(60).await;
    until("all has arrived", async || following.count("waiting").await == 0).await;
    assert_eq!(following.count("given_up").await, 0);
    running.signal(Signal::TERM);
    let stopped = running.finish().await.expect_code(0);
    assert!(!stopped.stderr.contains("whsec_"), "{}", stopped.stderr);
    following.sync().run("").await.expect_code(0);
}

async fn loses_nothing(copy: &Copy<'_>, destination: &str, seed: &str) {
    let account = ["--objects", OBJECTS, "--seed", seed, "--mutate-seed", seed];
    let stripe = FakeStripe::start(account.into_iter().chain(MANNER)).await;
    let folder = tempfile::tempdir().unwrap();
    let following = Following { copy, stripe, folder, port: free_port().await };
    for victim in ["source-stripe", destination, "sync-engine"] {
        strike(&following, victim).await;
        // What happens meanwhile comes over a minute late.
        following.stripe.mutate(10).await;
        following.stripe.advance(90).await;
    }
    settle(&following).await;
    copy.assert_equals(&following.stripe, &STREAMS.map(str::to_owned)).await;
}

#[tokio::test]
async fn no_confirmed_webhook_is_lost_to_sqlite_whoever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    loses_nothing(&Copy::Sqlite(folder.path().join("copy.db")), "destination-sqlite", "1").await;
}

#[tokio::test]
async fn no_confirmed_webhook_is_lost_to_postgres_whoever_is_killed() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    loses_nothing(&Copy::Postgres(&database), "destination-postgres", "2").await;
}
