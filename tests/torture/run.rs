//! One run: calls that are struck, calls that are not, and what the copy holds after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::canonical::canonical;
use testkit::family;
use testkit::postgres::Cluster;
use testkit::program::{DEADLINE, Finished, Program};
use testkit::stripe::{API_KEY, FakeStripe};
use tokio::sync::OnceCell;

use crate::blow::Blow;
use crate::claims::{Claims, Life};
use crate::copy::Copy;
use crate::plan::Plan;
use crate::tally::Tally;

/// Calls that nobody strikes must come to an end.
const CALM_CALLS: usize = 12;

/// Seconds by which the clock moves on: events that old are claimed by a cursor that passed them.
const LATER: u32 = 100;

/// How often the account changes while a call is at work.
const PAUSE: Duration = Duration::from_millis(40);

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
        volatile: volatile().await,
        seen: BTreeMap::new(),
        tally: Tally { runs: 1, ..Tally::default() },
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
    /// Properties whose value means nothing, by stream.
    volatile: &'static BTreeMap<String, BTreeSet<String>>,
    /// Objects whose rows were there once, by stream.
    seen: BTreeMap<String, BTreeSet<String>>,
    tally: Tally,
}

impl Run<'_> {
    async fn go(&mut self) {
        self.change(self.plan.changes_before).await;
        // Lists and events show by then what happened before.
        self.since = self.stripe.advance(LATER).await;
        for blow in self.plan.blows.clone() {
            self.struck(blow).await;
            self.compare_claims().await;
            self.time_goes_by().await;
        }
        self.stripe.advance(self.plan.lag + 1).await;
        self.finish().await;
        if self.plan.changes_later {
            // What the last call saw half of, the next one reads.
            self.stripe.advance(LATER).await;
            self.finish().await;
        }
        self.compare_claims().await;
        self.compare_all().await;
        self.nothing_is_left().await;
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

    fn program(&self) -> Program {
        let program = Program::named("sync-engine")
            .folder(self.folder)
            .env("XDG_STATE_HOME", self.folder)
            .args(["sync", "--output", "ndjson", "--stripe-api-key", API_KEY])
            .args(["--stripe-base-url", &self.stripe.url()])
            .args(["--stripe-rate-limit", "10000", "--source.endpoint_rate_limit", "10000"])
            .args(["--streams", &self.plan.streams.join(",")])
            .args(&self.plan.flags);
        self.copy.target(program)
    }

    async fn struck(&mut self, blow: Blow) {
        let program = blow.prepare(self.program(), self.plan.kind);
        let mut changes = 0;
        let struck = blow.strike(program, &self.copy, self.server.as_mut());
        let (finished, hit) = tokio::select! {
            struck = struck => struck,
            () = keep_changing(&self.stripe, &mut changes), if self.plan.changes_later => {
                unreachable!("it goes on for ever")
            }
        };
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

    /// Calls until there is no more to do.
    async fn finish(&mut self) {
        for _ in 0..CALM_CALLS {
            let finished: Finished = self.program().run("").await;
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
            let objects = self.objects(stream).await;
            // Events after objects: what changed in between is known to have.
            let told = self.told().await;
            let held = |(id, object): &(&String, &Value)| {
                let told = told.get(*id).copied();
                claims.hold(stream, Life::of(object, told, self.since, self.watched_from))
            };
            let held: Vec<(&String, &Value)> = objects.iter().filter(held).collect();
            for (id, object) in held {
                self.assert_same(stream, id, object, rows.get(id));
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
            let (objects, rows) = (self.objects(stream).await, self.copy.rows(stream).await);
            for (id, object) in &objects {
                self.assert_same(stream, id, object, rows.get(id));
                self.tally.rows += 1;
            }
            let extra: Vec<&String> = rows.keys().filter(|id| !objects.contains_key(*id)).collect();
            assert!(extra.is_empty(), "{stream}: nobody knows {extra:?}");
        }
    }

    fn assert_same(&self, stream: &str, id: &str, object: &Value, row: Option<&Value>) {
        let is_deleted = |object: &Value| object["deleted"] == true;
        if is_deleted(object) {
            let is_marked = row.is_none_or(is_deleted);
            return assert!(
                is_marked,
                "{stream} {id}, {}: deleted, and its row is not: {row:?}",
                self.doing
            );
        }
        let row =
            row.unwrap_or_else(|| panic!("{stream} {id} has no row, {}: {object}", self.doing));
        let (row, object) = (self.stable(stream, row), self.stable(stream, object));
        assert_eq!(row, object, "{stream} {id}, {}: the row is not the object", self.doing);
    }

    /// An object less its volatile properties.
    fn stable(&self, stream: &str, object: &Value) -> Value {
        let mut object = object.clone();
        let volatile = self.volatile.get(stream).into_iter().flatten();
        for name in volatile {
            object.as_object_mut().unwrap().remove(name);
        }
        object
    }

    /// Every object there is or was, the deleted ones marked, by id.
    async fn objects(&self, stream: &str) -> BTreeMap<String, Value> {
        let query = format!("/__oracle/{stream}?lists=whole&deleted=with");
        let text = self.stripe.get(&query).await;
        let object = |line| {
            let object: Value = serde_json::from_str(line).unwrap();
            (object["id"].as_str().unwrap().to_owned(), canonical(object))
        };
        text.lines().filter(|line| !line.is_empty()).map(object).collect()
    }

    /// When an event last told of an object, by its id.
    async fn told(&self) -> BTreeMap<String, i64> {
        let mut told = BTreeMap::new();
        for event in self.stripe.oracle("events").await.values() {
            let id = event["data"]["object"]["id"].as_str().unwrap_or_default();
            let created = event["created"].as_i64().unwrap();
            let last = told.entry(id.to_owned()).or_insert(created);
            *last = created.max(*last);
        }
        told
    }

    /// No process outlives its call.
    async fn nothing_is_left(&self) {
        let deadline = Instant::now() + DEADLINE;
        while !family::running_in(self.folder).is_empty() {
            assert!(Instant::now() < deadline, "processes live on in {}", self.folder.display());
            tokio::task::yield_now().await;
        }
    }
}

async fn keep_changing(stripe: &FakeStripe, changes: &mut u64) {
    loop {
        let done = stripe.mutate(1).await;
        *changes += done["changes"].as_array().unwrap().len() as u64;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Properties whose value means nothing, by stream, as the source says.
async fn volatile() -> &'static BTreeMap<String, BTreeSet<String>> {
    static VOLATILE: OnceCell<BTreeMap<String, BTreeSet<String>>> = OnceCell::const_new();
    let stream = |stream: &Value| {
        let names = stream["metadata"]["volatile"].as_array().into_iter().flatten();
        let names = names.map(|name| name.as_str().unwrap().to_owned());
        (stream["name"].as_str().unwrap().to_owned(), names.collect())
    };
    let discover = async || {
        let config =
            json!({"api_key": API_KEY, "api_version": "2026-01-28.clover", "account_id": "acct_1"});
        let program =
            Program::named("source-stripe").args(["discover", "--config", &config.to_string()]);
        let catalog = program.run("").await.expect_code(0).of_type("catalog").pop().unwrap();
        catalog["catalog"]["streams"].as_array().unwrap().iter().map(stream).collect()
    };
    VOLATILE.get_or_init(discover).await
}
