//! One run: calls that are struck, calls that are not, and what the copy holds after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::family;
use testkit::postgres::Cluster;
use testkit::program::{Finished, Program, Signal};
use testkit::stripe::{API_KEY, FakeStripe};

use crate::blow::Blow;
use crate::claims::{Claims, Life};
use crate::copy::Copy;
use crate::oracle::{Oracle, Streams};
use crate::plan::Plan;
use crate::tally::Tally;
use crate::way::{free_port, unconfirmed};

/// Calls that nobody strikes must come to an end.
const CALM_CALLS: usize = 12;

/// Seconds by which the clock moves on: events that old are claimed by a cursor that passed them.
const LATER: u32 = 100;

/// How often the account changes while a call is at work.
const PAUSE: Duration = Duration::from_millis(40);

/// How long a call that follows may take until the copy is equal: polls come every few seconds.
const FOLLOWED: Duration = Duration::from_secs(45);

/// Does what is planned; gives the server back.
pub(crate) async fn run(plan: Plan, server: Option<Cluster>) -> (Tally, Option<Cluster>) {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::make(server.as_ref(), folder.path()).await;
    let stripe = FakeStripe::start(&plan.account).await;
    let mut run = Run {
        copy,
        stripe,
        folder: folder.path(),
        since: 0,
        watched_from: None,
        doing: String::new(),
        streams: Streams::discovered().await,
        seen: BTreeMap::new(),
        tally: Tally { runs: 1, ways: [(plan.way.name(), 1)].into(), ..Tally::default() },
        port: free_port().await,
        plan: &plan,
        server,
    };
    run.go().await;
    let Run { copy, mut tally, server, .. } = run;
    copy.remove().await;
    tally.longest = (begun.elapsed(), plan.seed);
    (tally, server)
}

struct Run<'a> {
    plan: &'a Plan,
    server: Option<Cluster>,
    copy: Copy,
    stripe: FakeStripe,
    folder: &'a Path,
    /// When the first call began, by the server's clock.
    since: i64,
    /// What is being looked at, for a report.
    doing: String,
    /// The first events cursor that was seen: what is created later comes by its event.
    watched_from: Option<i64>,
    /// What the source says of its streams.
    streams: &'static Streams,
    /// Objects whose rows were there once, by stream.
    seen: BTreeMap<String, BTreeSet<String>>,
    tally: Tally,
    /// Where webhooks come.
    port: u16,
}

impl Run<'_> {
    async fn go(&mut self) {
        self.listen_first().await;
        self.change(self.plan.changes_before).await;
        // Lists and events show by then what happened before.
        self.since = self.stripe.advance(LATER).await;
        for (blow, patience) in self.plan.blows.iter().zip(&self.plan.patience) {
            self.struck(*blow, *patience).await;
            self.compare_claims().await;
            self.time_goes_by().await;
        }
        self.come_to_rest().await;
        self.compare_claims().await;
        self.compare_all().await;
        // No process outlives its call.
        family::gone_from(self.folder).await;
    }

    /// Where webhooks alone tell of changes, those from before there is an endpoint are told by
    /// nobody, and lists that lag do not show the last of them. And a secret that was lost with a
    /// setup that died is for a person to look up.
    async fn listen_first(&mut self) {
        if self.plan.way.has_webhooks() {
            let flags = self.plan.way.settings(self.port);
            self.program("setup").args(flags).run("").await.expect_code(0);
        }
    }

    async fn come_to_rest(&mut self) {
        self.stripe.advance(self.plan.lag + 1).await;
        self.follow_until_equal().await;
        self.finish().await;
        if self.plan.changes_later {
            // What the last call saw half of, the next one reads.
            self.stripe.advance(LATER).await;
            self.finish().await;
        }
    }

    async fn time_goes_by(&mut self) {
        if self.plan.changes_later {
            self.change(7).await;
            self.stripe.advance(LATER).await;
        }
    }

    async fn change(&mut self, steps: u32) {
        let done = self.stripe.mutate(steps).await;
        self.tally.changes += done["changes"].as_array().unwrap().len() as u64;
    }

    fn program(&self, command: &str) -> Program {
        let program = Program::named("sync-engine")
            .folder(self.folder)
            .env("XDG_STATE_HOME", self.folder)
            .args([command, "--stripe-api-key", API_KEY])
            .args(["--stripe-base-url", &self.stripe.url()])
            .args(["--stripe-rate-limit", "10000", "--source.endpoint_rate_limit", "10000"])
            .args(["--streams", &self.plan.streams.join(",")])
            .args(&self.plan.flags);
        self.copy.target(program)
    }

    fn sync(&self) -> Program {
        self.program("sync").args(["--output", "ndjson"])
    }

    /// The program as this run calls it while it is struck.
    fn on_its_way(&self) -> Program {
        let way = self.plan.way;
        if !way.follows() {
            return self.sync();
        }
        self.sync().arg("--follow").args(way.settings(self.port))
    }

    async fn struck(&mut self, blow: Blow, patience: Duration) {
        let program = blow.prepare(self.on_its_way(), self.plan.kind);
        let patience = self.plan.way.follows().then_some(patience);
        let is_over = AtomicBool::new(!self.plan.changes_later);
        let struck = async {
            let server = self.server.as_mut();
            let struck = blow.strike(program, &self.copy, server, patience).await;
            is_over.store(true, Ordering::Relaxed);
            struck
        };
        let ((finished, hit), changes) = tokio::join!(struck, change_until(&self.stripe, &is_over));
        self.tally.calls += 1;
        self.tally.changes += changes;
        if hit {
            *self.tally.blows.entry(blow.name().to_owned()).or_default() += 1;
        }
        let story = || format!("{blow:?}: {}\n{}", finished.status, finished.stderr);
        let is_bad = |word| finished.stderr.contains(word);
        assert!(!is_bad("panicked") && !is_bad("it accounts for"), "{}", story());
        // What is wrong here is never the command line, the configuration or a permission.
        let may_be = |code| [0, 1, 3, 6, 7, 8, 130, 143].contains(&code);
        assert!(finished.code().is_none_or(may_be), "{}", story());
    }

    /// A call that follows brings, by itself, what has happened and what happens while it looks.
    async fn follow_until_equal(&mut self) {
        if !self.plan.way.follows() {
            return;
        }
        self.doing = format!("while it is {}", self.plan.way.name());
        let running = self.on_its_way().start();
        let id = running.id();
        let watched = async {
            let deadline = Instant::now() + FOLLOWED;
            let mut done = Value::Null;
            for _ in 0..3 {
                done = self.stripe.mutate(5).await;
                self.stripe.advance(self.plan.lag + 1).await;
            }
            let mut difference = self.oracle().difference(&self.copy, &self.plan.streams).await;
            while difference.is_some() && Instant::now() < deadline {
                tokio::time::sleep(PAUSE).await;
                // Webhooks that found nobody come again up to a minute later.
                self.stripe.advance(1).await;
                difference = self.oracle().difference(&self.copy, &self.plan.streams).await;
            }
            family::signal(id, Signal::TERM);
            (difference, done)
        };
        let (finished, (difference, done)) = tokio::join!(running.finish(), watched);
        self.tally.calls += 1;
        let webhooks = self.stripe.get("/__webhooks").await;
        let story = format!("{}, {webhooks}\n{}", finished.status, told(&finished));
        assert_eq!(finished.code(), Some(0), "stopped while it followed: {story}");
        // On a busy machine not all of them arrive in time; the rest comes by the next poll.
        let may_differ = self.plan.way.has_webhooks() && unconfirmed(&webhooks) > 0;
        self.tally.unsettled += u64::from(difference.is_some() && may_differ);
        let doing = &self.doing;
        assert!(
            difference.is_none() || may_differ,
            "{doing}: {difference:?}, after {done}: {story}"
        );
    }

    /// Calls until there is no more to do.
    async fn finish(&mut self) {
        for _ in 0..CALM_CALLS {
            let finished: Finished = self.sync().run("").await;
            self.tally.calls += 1;
            match finished.code() {
                Some(0) => return,
                Some(3) => {}
                _ => panic!("nobody struck: {}\n{}", finished.status, finished.stderr),
            }
        }
        panic!("{CALM_CALLS} calls, and there is always more to do");
    }

    /// No stored state is ahead of its rows, and no row that was there is gone.
    async fn compare_claims(&mut self) {
        // States first: rows may still come while they are read, and never go.
        let claims = Claims::of(&self.copy.states().await);
        self.watched_from = self.watched_from.or(claims.cursor());
        self.doing = format!("after call {}, which left {claims:?}", self.tally.calls);
        for stream in claims.streams() {
            let rows = self.copy.rows(stream).await;
            let objects = self.oracle().objects(stream).await;
            // Events after objects: what changed in between is known to have.
            let told = self.oracle().told().await;
            let held = |(id, object): &(&String, &Value)| {
                let told = told.get(*id).copied();
                claims.hold(stream, Life::of(object, told, self.since, self.watched_from))
            };
            let held: Vec<(&String, &Value)> = objects.iter().filter(held).collect();
            for (id, object) in held {
                let told = told.get(id);
                self.assert_same(stream, &format!("{id}, told at {told:?}"), object, rows.get(id));
                self.tally.claimed += 1;
            }
            self.tally.states += 1;
            let seen = self.seen.entry(stream.to_owned()).or_default();
            let gone: Vec<&String> = seen.iter().filter(|id| !rows.contains_key(*id)).collect();
            assert!(gone.is_empty(), "{stream}: rows of {gone:?} were there and are not");
            seen.extend(rows.into_keys());
        }
    }

    /// The copy holds what the account holds, and nothing else.
    async fn compare_all(&mut self) {
        "at the end".clone_into(&mut self.doing);
        let refused = self.copy.refused().await;
        assert!(refused.is_empty(), "records were refused: {refused:?}");
        for stream in &self.plan.streams {
            let (objects, rows) =
                (self.oracle().objects(stream).await, self.copy.rows(stream).await);
            for (id, object) in &objects {
                self.assert_same(stream, id, object, rows.get(id));
                self.tally.rows += 1;
            }
            let extra: Vec<&String> = rows.keys().filter(|id| !objects.contains_key(*id)).collect();
            assert!(extra.is_empty(), "{stream}: nobody knows {extra:?}");
        }
    }

    fn assert_same(&self, stream: &str, id: &str, object: &Value, row: Option<&Value>) {
        if let Some(what) = self.oracle().differs(stream, object, row) {
            panic!("{stream} {id}, {}: {what}", self.doing);
        }
    }

    fn oracle(&self) -> Oracle<'_> {
        Oracle { stripe: &self.stripe, streams: self.streams }
    }
}

/// What a call told people.
fn told(finished: &Finished) -> String {
    let logs = finished.of_type("log").into_iter();
    let texts: Vec<String> = logs.map(|log| log["log"]["message"].to_string()).collect();
    format!("{}\n{}", texts.join("\n"), finished.stderr)
}

/// Changes the account; how often. None is under way any more when it is over: an object that is
/// changed is told of by its event a moment later.
async fn change_until(stripe: &FakeStripe, is_over: &AtomicBool) -> u64 {
    let mut changes = 0;
    while !is_over.load(Ordering::Relaxed) {
        let done = stripe.mutate(1).await;
        changes += done["changes"].as_array().unwrap().len() as u64;
        tokio::time::sleep(PAUSE).await;
    }
    changes
}
