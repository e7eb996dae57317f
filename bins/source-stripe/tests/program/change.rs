//! Changes: what happens during a backfill, between runs, and while the source follows.

use serde_json::{Value, json};
use testkit::program::Signal;
use testkit::stripe::{API_KEY, FakeStripe};

use crate::run::{catalog, config, read};
use crate::table::{Tables, steady};

const STREAMS: [&str; 10] = [
    "customers",
    "products",
    "prices",
    "plans",
    "coupons",
    "tax_ids",
    "subscriptions",
    "subscription_items",
    "invoices",
    "line_items",
];
const OBJECTS: &str = "customers=130,products=30,prices=20,plans=20,coupons=20,tax_ids=10,subscriptions=60,invoices=40,events=0";

/// A local Stripe with an account that changes, as its tests want it.
struct World {
    fake: FakeStripe,
    tables: Tables,
    config: Value,
}

impl World {
    async fn new(arguments: &[&str]) -> Self {
        Self::with(OBJECTS, arguments).await
    }

    async fn with(objects: &str, arguments: &[&str]) -> Self {
        // Long enough ago that nothing claims to have been changed in the future.
        let usual = ["--newest", "1700000000", "--objects", objects];
        let fake = FakeStripe::start(usual.iter().chain(arguments)).await;
        let config = config(&fake.url(), json!({"api_key": API_KEY}));
        Self { fake, tables: Tables::default(), config }
    }

    fn set(&mut self, key: &str, value: Value) {
        self.config[key] = value;
    }

    /// A whole run over these streams.
    async fn run(&mut self, streams: &[&str]) {
        self.tables.forget_told();
        let state = self.tables.state();
        let finished = read(&self.config, &catalog(streams), Some(&state)).run("").await;
        self.tables.take_in(&finished.expect_code(0).stdout);
    }

    /// The same, over all streams, once what lags has shown itself.
    async fn settle(&mut self) {
        self.fake.advance(30).await;
        self.run(&STREAMS).await;
        self.assert_equal(&STREAMS).await;
        for stream in STREAMS {
            assert_eq!(self.tables.ends(stream), ["complete"], "{stream}");
        }
    }

    async fn assert_equal(&self, streams: &[&str]) {
        for stream in streams {
            let path = match *stream {
                "subscription_items" | "line_items" => format!("/__oracle/{stream}"),
                _ => format!("/__oracle/{stream}?lists=whole"),
            };
            let text = self.fake.get(&path).await;
            let truth = text.lines().map(|line| {
                let object: Value = serde_json::from_str(line).unwrap();
                (object["id"].as_str().unwrap().to_owned(), steady(object))
            });
            let truth: std::collections::BTreeMap<String, Value> = truth.collect();
            let copy = self.tables.alive(stream);
            let missing: Vec<_> = truth.keys().filter(|id| !copy.contains_key(*id)).collect();
            let extra: Vec<_> = copy.keys().filter(|id| !truth.contains_key(*id)).collect();
            assert!(
                missing.is_empty() && extra.is_empty(),
                "{stream}: {missing:?} missing, {extra:?} too many"
            );
            for (id, object) in &truth {
                assert_eq!(copy[id], *object, "{stream} {id}");
            }
        }
    }

    async fn update(&self, stream: &str, id: &str, set: Value) {
        self.fake.change(&[json!({"stream": stream, "do": "update", "id": id, "set": set})]).await;
    }

    async fn event_requests(&self) -> u64 {
        self.fake.stats().await["by_path"]["/v1/events"].as_u64().unwrap_or_default()
    }

    fn first(&self, stream: &str) -> String {
        self.tables.alive(stream).keys().next().unwrap().clone()
    }
}

#[tokio::test]
async fn a_run_without_a_change_costs_one_request_and_moves_the_place() {
    let mut world = World::new(&[]).await;
    world.run(&STREAMS).await;
    let (before, place) =
        (world.event_requests().await, world.tables.global()["events_cursor"].as_i64());
    world.fake.advance(500).await;
    world.run(&STREAMS).await;
    assert_eq!(world.event_requests().await, before + 1);
    assert!(world.tables.global()["events_cursor"].as_i64().unwrap() >= place.unwrap() + 500);
    assert_eq!(world.tables.ends("customers"), ["complete"]);
}

#[tokio::test]
async fn updates_between_the_backfill_and_the_first_poll_are_read() {
    let mut world = World::new(&["--latency-ms", "3"]).await;
    // The first run dies while it lists, the second never polls: only the place is left.
    let mut running = read(&world.config, &catalog(&STREAMS), None).start();
    for _ in 0..300 {
        world.tables.take_in_line(&running.line().await.unwrap());
    }
    running.signal(Signal::KILL);
    world.fake.mutate(60).await;
    world.fake.advance(900).await;
    world.set("poll_events", json!(false));
    world.run(&STREAMS).await;
    world.fake.mutate(60).await;
    world.fake.advance(900).await;
    world.set("poll_events", json!(true));
    world.settle().await;
}

#[tokio::test]
async fn what_a_killed_run_wrote_without_a_state_is_kept_up_by_a_later_one() {
    let mut world = World::new(&[]).await;
    let mut running = read(&world.config, &catalog(&["coupons"]), None).start();
    let mut line = String::new();
    while !line.contains(r#""type":"record""#) {
        line = running.line().await.unwrap();
        world.tables.take_in_line(&line);
    }
    running.signal(Signal::KILL);
    let coupon = world.first("coupons");
    world.fake.change(&[json!({"stream": "coupons", "do": "delete", "id": coupon})]).await;
    world.fake.advance(500).await;
    world.run(&["customers"]).await;
    world.fake.advance(500).await;
    world.settle().await;
    assert!(world.tables.is_deleted("coupons", &coupon));
}

#[tokio::test]
async fn events_that_a_run_with_fewer_streams_passed_by_are_kept_for_the_others() {
    let mut world = World::new(&[]).await;
    world.run(&STREAMS).await;
    let id = world.first("customers");
    world.update("customers", &id, json!({"name": "one"})).await;
    world.fake.advance(200).await;
    world.run(&["products"]).await;
    assert!(world.tables.global()["lagging"]["customers"].is_number());
    world.fake.advance(200).await;
    world.settle().await;
    assert_eq!(world.tables.alive("customers")[&id]["name"], "one");
    assert_eq!(world.tables.global().get("lagging"), None);
}

#[tokio::test]
async fn a_stream_skipped_once_stops_nobody_and_loses_nothing() {
    let mut world = World::new(&["--fault", "path=/v1/coupons,nth=2,kind=403"]).await;
    world.run(&STREAMS).await;
    let (coupon, customer) = (world.first("coupons"), world.first("customers"));
    world.update("coupons", &coupon, json!({"name": "one"})).await;
    world.update("customers", &customer, json!({"name": "two"})).await;
    world.fake.advance(400).await;
    world.run(&STREAMS).await;
    assert_eq!(world.tables.ends("coupons"), ["skip"]);
    assert_eq!(world.tables.ends("customers"), ["complete"]);
    assert_eq!(world.tables.alive("customers")[&customer]["name"], "two");
    assert_ne!(world.tables.alive("coupons")[&coupon]["name"], "one");
    world.fake.advance(400).await;
    world.settle().await;
    assert_eq!(world.tables.alive("coupons")[&coupon]["name"], "one");
}

#[tokio::test]
async fn an_event_leaves_the_state_of_its_stream_as_it_is() {
    let mut world = World::new(&[]).await;
    world.set("backfill_limit", json!(20));
    world.run(&["customers"]).await;
    let id = world.first("customers");
    world.update("customers", &id, json!({"name": "one"})).await;
    world.run(&["customers"]).await;
    let state = world.tables.state()["streams"]["customers"].clone();
    assert!(
        state["accounted_range"].is_object() && !state["remaining"].as_array().unwrap().is_empty()
    );
    assert_eq!(world.tables.alive("customers")[&id]["name"], "one");
    assert_eq!(world.tables.ends("customers"), Vec::<String>::new());
}

#[tokio::test]
async fn the_place_stays_before_an_event_whose_object_is_to_be_read_again() {
    let mut world = World::new(&["--list-lag", "5"]).await;
    world.run(&STREAMS).await;
    let lines = |invoice: &Value| invoice["lines"]["data"].as_array().unwrap().len();
    let invoices = world.tables.alive("invoices");
    let (id, invoice) = invoices.iter().find(|(_, invoice)| lines(invoice) > 10).unwrap();
    let mut list = invoice["lines"].clone();
    list["data"].as_array_mut().unwrap().last_mut().unwrap()["description"] = json!("changed");
    world.fake.advance(500).await;
    world.update("invoices", id, json!({"lines": list})).await;
    let now = world.fake.advance(1).await;
    world.run(&STREAMS).await;
    let place = world.tables.global()["events_cursor"].as_i64().unwrap();
    assert!((now - 3..now).contains(&place), "{place}, at {now}");
    assert_ne!(world.tables.alive("invoices")[id]["lines"], list, "the list lags");
    world.settle().await;
}

#[tokio::test]
async fn deletes_and_re_creations_in_one_second_are_seen() {
    let mut world = World::new(&[]).await;
    world.run(&STREAMS).await;
    let deleted: Vec<(&str, String)> =
        ["customers", "products", "prices", "plans", "coupons", "tax_ids", "invoices"]
            .map(|stream| (stream, world.first(stream)))
            .to_vec();
    let change =
        |stream: &str, id: &str, deed: &str| json!({"stream": stream, "do": deed, "id": id});
    let deletes: Vec<Value> =
        deleted.iter().map(|(stream, id)| change(stream, id, "delete")).collect();
    world.fake.change(&deletes).await;
    let again = ["products", "plans", "coupons"].map(|stream| {
        let id = world.tables.alive(stream).keys().nth(1).unwrap().clone();
        (stream, id)
    });
    for (stream, id) in &again {
        world.fake.change(&[change(stream, id, "delete"), change(stream, id, "recreate")]).await;
    }
    world.settle().await;
    for (stream, id) in &deleted {
        assert!(world.tables.is_deleted(stream, id), "{stream} {id}");
    }
    for (stream, id) in &again {
        assert!(world.tables.alive(stream).contains_key(id), "{stream} {id}");
    }
}

#[tokio::test]
async fn poison_events_are_counted_and_harm_no_other() {
    let mut world = World::new(&[]).await;
    world.run(&STREAMS).await;
    let (one, two) = (world.first("customers"), world.first("products"));
    world.update("customers", &one, json!({"name": "one"})).await;
    world.update("products", &two, json!({"name": "two"})).await;
    let events = world.fake.get("/__oracle/events").await;
    let event: Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    let poison =
        json!({"id": event["id"], "object": "event", "created": event["created"], "type": 7});
    let order =
        json!({"stream": "events", "do": "update", "id": event["id"], "raw": poison.to_string()});
    world.fake.change(&[order]).await;
    world.run(&STREAMS).await;
    let told = world.tables.logs().join("\n");
    assert!(told.contains("1 events that could not be understood were left aside"), "{told}");
    let names = [&world.tables.alive("customers")[&one], &world.tables.alive("products")[&two]]
        .map(|object| object["name"].as_str().unwrap_or_default().to_owned());
    assert_eq!(names.iter().filter(|name| ["one", "two"].contains(&name.as_str())).count(), 1);
    assert_eq!(world.tables.ends("customers"), ["complete"]);
}

#[tokio::test]
async fn after_35_days_the_lists_are_read_again_and_the_gap_is_told() {
    let mut world = World::new(&[]).await;
    world.run(&STREAMS).await;
    let (id, gone) = (world.first("customers"), world.first("coupons"));
    world.update("customers", &id, json!({"name": "one"})).await;
    world.fake.change(&[json!({"stream": "coupons", "do": "delete", "id": gone})]).await;
    world.fake.advance(35 * 86_400).await;
    world.run(&STREAMS).await;
    assert_eq!(world.tables.alive("customers")[&id]["name"], "one");
    let told = world.tables.logs().join("\n");
    assert!(
        told.contains("keeps events for 30 days") && told.contains("the gap is closed"),
        "{told}"
    );
    assert!(told.contains("deleted in that time stay in the copy"), "{told}");
    assert!(world.tables.alive("coupons").contains_key(&gone), "no list tells a delete");
    assert_eq!(world.tables.global().get("gap"), None);
    assert_eq!(world.tables.ends("customers"), ["complete"]);
}

#[tokio::test]
async fn a_gap_survives_a_kill_in_the_middle_of_its_repair() {
    let mut world = World::new(&["--latency-ms", "3"]).await;
    world.run(&STREAMS).await;
    let id = world.first("customers");
    world.update("customers", &id, json!({"name": "one"})).await;
    world.fake.advance(31 * 86_400).await;
    for lines in [14, 20, 30, 60, 90] {
        let state = world.tables.state();
        let mut running = read(&world.config, &catalog(&STREAMS), Some(&state)).start();
        let mut states = 0;
        while states < lines
            && let Some(line) = running.line().await
        {
            states += i32::from(line.contains(r#""type":"source_state""#));
            world.tables.take_in_line(&line);
        }
        running.signal(Signal::KILL);
    }
    world.settle().await;
    assert_eq!(world.tables.alive("customers")[&id]["name"], "one");
    assert_eq!(world.tables.global().get("gap"), None);
}

#[tokio::test]
async fn a_key_that_may_not_read_events_is_told_what_is_lost() {
    let mut world = World::new(&["--restrict", "events"]).await;
    world.run(&STREAMS).await;
    let told = world.tables.logs().join("\n");
    assert!(told.contains("changes of objects that the copy already holds are not seen"), "{told}");
    assert_eq!(world.tables.ends("customers"), ["complete"]);
    world.set("poll_events", json!(false));
    world.run(&STREAMS).await;
    assert_eq!(world.tables.logs(), Vec::<String>::new());
    assert_eq!(world.tables.ends("customers"), ["complete"]);
}

#[tokio::test]
async fn an_event_in_another_version_makes_its_object_be_asked_for_unless_it_is_accepted() {
    let mut world = World::new(&["--api-version", "2020-08-27"]).await;
    world.run(&STREAMS).await;
    let id = world.first("customers");
    let path = format!("/v1/customers/{id}");
    for (setting, requests) in [("fetch", 1), ("accept", 1)] {
        world.set("event_version_mismatch", json!(setting));
        world.update("customers", &id, json!({"name": setting})).await;
        world.fake.advance(100).await;
        world.run(&STREAMS).await;
        assert_eq!(world.tables.alive("customers")[&id]["name"], setting);
        let stats = world.fake.stats().await;
        let asked = stats["by_path"].as_object().unwrap().iter();
        let asked =
            asked.filter(|(asked, _)| **asked == path || asked.ends_with("/customers/{id}"));
        let asked: u64 = asked.filter_map(|(_, count)| count.as_u64()).sum();
        assert_eq!(asked, requests, "{setting}: {stats}");
    }
}

#[tokio::test]
async fn more_events_than_fit_a_slice_are_read_oldest_first_and_none_is_lost() {
    let mut world = World::new(&[]).await;
    world.run(&STREAMS).await;
    for _ in 0..14 {
        world.fake.mutate(120).await;
        world.fake.advance(3_000).await;
    }
    let before = world.event_requests().await;
    world.settle().await;
    assert!(world.event_requests().await > before + 10);
}

/// A small generator, so that a seed is a history.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

impl World {
    /// A run that is killed after so many lines, while the account changes.
    async fn killed_run(&mut self, streams: &[&str], random: &mut Random) {
        let state = self.tables.state();
        let mut running = read(&self.config, &catalog(streams), Some(&state)).start();
        for line in 1..20 + random.below(400) {
            let Some(text) = running.line().await else { break };
            self.tables.take_in_line(&text);
            if line % 60 == 0 {
                self.fake.mutate(u32::try_from(random.below(6)).unwrap()).await;
            }
        }
        running.signal(Signal::KILL);
    }
}

#[tokio::test]
async fn what_was_read_is_kept_when_the_source_is_killed_and_faults_pass() {
    for seed in seeds() {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let text = seed.to_string();
        let seeds = ["--seed", &text, "--mutate-seed", &text, "--fault-seed", &text];
        let lags = ["--list-lag", "3", "--events-lag", "2", "--fault-rate", "0.03"];
        let kinds = ["--fault-kinds", "500,409,lock-timeout,html,cut,reset"];
        let mut world = World::new(&[&seeds[..], &lags[..], &kinds[..]].concat()).await;
        for _ in 0..4 {
            let few = ["customers", "products"];
            let choices = [&few[..], &STREAMS[..], &STREAMS[..]];
            let streams = choices[usize::try_from(random.below(3)).unwrap()];
            world.killed_run(streams, &mut random).await;
            world.fake.mutate(5).await;
            world.fake.advance(u32::try_from(random.below(200)).unwrap()).await;
        }
        world.settle().await;
    }
}

/// A few seeds always; `CHANGE_SEEDS=FROM..TO` tries others.
fn seeds() -> std::ops::Range<u64> {
    let given = option_env!("CHANGE_SEEDS").and_then(|given| given.split_once(".."));
    given.map_or(1..5, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

#[tokio::test]
async fn while_it_follows_changes_come_and_a_stop_ends_it_cleanly() {
    let mut world = World::new(&[]).await;
    let program = read(&world.config, &catalog(&STREAMS), None).arg("--follow");
    let mut running = program.start();
    let mut is_complete = false;
    while !is_complete {
        let line = running.line().await.unwrap();
        world.tables.take_in_line(&line);
        is_complete = world.tables.ends("customers") == ["complete"];
    }
    let id = world.first("customers");
    world.update("customers", &id, json!({"name": "one"})).await;
    let is_event = |line: &str| line.contains(r#""_origin":"event""#) && line.contains(&id);
    let mut came = false;
    while !came {
        let line = running.line().await.unwrap();
        came = is_event(&line);
        world.tables.take_in_line(&line);
    }
    running.signal(Signal::TERM);
    world.tables.take_in(&running.finish().await.expect_code(0).stdout);
    assert_eq!(world.tables.alive("customers")[&id]["name"], "one");
    world.settle().await;
}
