//! Random histories, delivered to programs that are killed again and again: the rows end as the
//! objects did, and no state that came back lacks a row.
//!
//! Each object has a life; records are looks at it. An event says what the object was at its
//! stamp, a page of a list what it was at its stamp or somewhat later.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testkit::lines;
use testkit::postgres::Cluster;
use testkit::program::Signal;

use crate::asked::Asked;
use crate::place::{self, Place, gone, object, stub};
use crate::prune::parent;

/// A small generator, so that a history can be told by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// What an object was from a time on; `None` when it was deleted.
type Life = Vec<(i64, Option<&'static str>)>;

fn life(random: &mut Random) -> Life {
    let mut at = 100 + i64::try_from(random.below(20)).unwrap();
    let mut life = Vec::new();
    for _ in 0..=random.below(4) {
        let is_deleted = !life.is_empty() && random.below(3) == 0;
        life.push((at, (!is_deleted).then(|| *random.pick(&["Ann", "Eve", "Mia"]))));
        at += 1 + i64::try_from(random.below(20)).unwrap();
    }
    life
}

fn at(life: &Life, time: i64) -> Option<&'static str> {
    life.iter().rev().find(|(from, _)| *from <= time).and_then(|(_, name)| *name)
}

fn look(id: &str, stamp: i64, name: Option<&str>, random: &mut Random) -> Value {
    match name {
        Some(name) => object(id, stamp, name),
        None if random.below(2) == 0 => stub(id, stamp),
        None => gone(id, stamp, "Ann"),
    }
}

/// Lines, and whether each object is alive in the end, under which name.
struct History {
    lines: Vec<String>,
    ends: BTreeMap<String, Option<&'static str>>,
    children: BTreeMap<String, bool>,
}

fn history(seed: u64) -> History {
    let mut random = Random(seed);
    let (mut lines, mut ends, mut children) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for number in 0..12 {
        let parent = format!("p{}", number % 4);
        let id = format!("{parent}-{number}");
        let mut data = object(&id, 1, "child");
        data["parent"] = json!(parent);
        lines.push(lines::record_from("list", "children", &data));
        children.insert(id, true);
    }
    let mut looks: Vec<(u64, String)> = Vec::new();
    for number in 0..25 {
        let (id, life) = (format!("x{number}"), life(&mut random));
        for (stamp, name) in &life {
            let data = look(&id, *stamp, *name, &mut random);
            looks.push((random.below(1000), lines::record_from("event", "parents", &data)));
        }
        for _ in 0..random.below(4) {
            let stamp = 100 + i64::try_from(random.below(90)).unwrap();
            let seen = stamp + i64::try_from(random.below(12)).unwrap();
            // Lists hold no deleted objects, and none before they were made.
            if let Some(name) = at(&life, seen) {
                let data = object(&id, stamp, name);
                looks.push((random.below(1000), lines::record_from("list", "parents", &data)));
            }
        }
        ends.insert(id, life.last().and_then(|(_, name)| *name));
    }
    for number in 0..4 {
        let id = format!("p{number}");
        let own: Vec<&String> = children.keys().filter(|child| child.starts_with(&id)).collect();
        let keep: BTreeSet<&str> =
            own.iter().filter(|_| random.below(2) == 0).map(|child| child.as_str()).collect();
        let all: Vec<&str> = own.iter().map(|child| child.as_str()).collect();
        let kept: Vec<&str> = keep.iter().copied().collect();
        looks.push((random.below(1000), parent(&object(&id, 150, "Eve"), "list", &all)));
        looks.push((random.below(1000), parent(&object(&id, 200, "Ann"), "event", &kept)));
        let lost: Vec<String> =
            all.iter().filter(|id| !keep.contains(*id)).map(|id| (*id).to_owned()).collect();
        ends.insert(id, Some("Ann"));
        children.extend(lost.into_iter().map(|child| (child, false)));
    }
    looks.sort();
    for (position, (_, line)) in looks.into_iter().enumerate() {
        lines.push(line);
        if position % 7 == 3 {
            let position = lines.len();
            lines.push(if random.below(3) == 0 {
                lines::global_state(&json!(position))
            } else {
                lines::state("parents", &json!(position))
            });
        }
    }
    let position = lines.len();
    lines.push(lines::state("parents", &json!(position)));
    History { lines, ends, children }
}

/// Delivers from a position on and kills the program at some message; the position of the last
/// state that came back.
async fn deliver(place: &Place, history: &History, from: usize, random: &mut Random) -> usize {
    let left = history.lines.len() - from;
    let until = from + usize::try_from(random.below(left as u64 + 10)).unwrap();
    let mut running = place.start();
    let sent = &history.lines[from..until.min(history.lines.len())];
    let mut acknowledged = from;
    let mut take = |message: &Value| {
        if let Some(position) = message["source_state"]["data"].as_u64() {
            acknowledged = usize::try_from(position).unwrap() + 1;
        }
    };
    running.send(&sent.concat()).await;
    if until < history.lines.len() {
        let states = sent.iter().filter(|line| line.contains("source_state")).count() as u64;
        for _ in 0..random.below(states + 1) {
            take(&running.message(|message| message["type"] == "source_state").await);
        }
        running.signal(Signal::KILL);
    }
    let finished = running.finish().await;
    // A line that was cut by the kill was never said.
    let whole = finished.stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        take(&serde_json::from_str(line).unwrap());
    }
    acknowledged
}

async fn assert_nothing_lacks(place: &Place, history: &History, acknowledged: usize, seed: u64) {
    let rows = place.rows("parents").await;
    for line in &history.lines[..acknowledged] {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["record"]["stream"] == "parents" {
            let id = message["record"]["data"]["id"].as_str().unwrap();
            assert!(rows.contains_key(id), "seed {seed}, {}: {id} is missing", place.name());
        }
    }
}

async fn run(place: &Place, seed: u64, removes: bool) {
    let (history, mut random) = (history(seed), Random(seed ^ 0xABCD));
    let mut from = 0;
    while from < history.lines.len() {
        from = deliver(place, &history, from, &mut random).await;
        if !removes {
            assert_nothing_lacks(place, &history, from, seed).await;
        }
    }
    assert_ends(place, &history, seed, removes).await;
}

async fn assert_ends(place: &Place, history: &History, seed: u64, removes: bool) {
    let rows = place.rows("parents").await;
    for (id, name) in &history.ends {
        let found = rows.get(id).filter(|row| !row.deleted);
        let found = found.map(|row| row.document["name"].as_str().unwrap());
        assert_eq!(found, *name, "seed {seed}, {}: {id}", place.name());
        assert_eq!(rows.contains_key(id), !removes || name.is_some(), "seed {seed}: {id}");
    }
    let rows = place.rows("children").await;
    for (id, alive) in &history.children {
        let found = rows.get(id).is_some_and(|row| !row.deleted);
        assert_eq!(found, *alive, "seed {seed}, {}: child {id}", place.name());
    }
}

/// Delivers from a position on while the server crashes and comes back; the position of the last
/// state that came back.
async fn deliver_through_a_crash(
    cluster: &mut Cluster,
    place: &Place,
    history: &History,
    from: usize,
    random: &mut Random,
) -> usize {
    let mut running = place.start();
    let left = &history.lines[from..];
    running.send(&left.concat()).await;
    let states = left.iter().filter(|line| line.contains("source_state")).count() as u64;
    for _ in 0..random.below(states) {
        running.message(|message| message["type"] == "source_state").await;
    }
    cluster.crash();
    cluster.restart();
    let finished = running.finish().await;
    assert!(matches!(finished.code(), Some(0 | 1)), "{}", finished.stderr);
    let position = |state: &Value| state["source_state"]["data"].as_u64();
    let last = finished.of_type("source_state").iter().filter_map(position).next_back();
    last.map_or(from, |last| usize::try_from(last).unwrap() + 1)
}

#[tokio::test]
async fn histories_end_as_the_objects_did_whatever_the_server_went_through() {
    let mut cluster = Cluster::start();
    let asked = Asked::from_environment(1000);
    if asked.kinds(&[place::POSTGRES]).is_empty() {
        return;
    }
    let through_crashes = async |seed| {
        let place = place::breakable(&cluster).await;
        let (history, mut random) = (history(seed), Random(seed ^ 0xABCD));
        let mut from = 0;
        while from < history.lines.len() {
            from = deliver_through_a_crash(&mut cluster, &place, &history, from, &mut random).await;
            assert_nothing_lacks(&place, &history, from, seed).await;
        }
        assert_ends(&place, &history, seed, false).await;
    };
    asked.each("a server that crashes", through_crashes).await;
}

async fn histories(kinds: &[&'static str], settings: Value, removes: bool) {
    let asked = Asked::from_environment(0);
    for kind in asked.kinds(kinds) {
        let through_kills = async |seed| {
            let place = place::place(kind, &settings).await;
            run(&place, seed, removes).await;
        };
        asked.each(&format!("{kind} that is killed, {settings}"), through_kills).await;
    }
}

#[tokio::test]
async fn histories_end_as_the_objects_did_whatever_was_killed() {
    let kinds = [place::SQLITE, place::POSTGRES, place::SHEETS];
    histories(&kinds, json!({"batch_rows": 5}), false).await;
}

#[tokio::test]
async fn histories_with_removed_rows_end_as_the_objects_did_whatever_was_killed() {
    let kinds = [place::SQLITE, place::POSTGRES];
    histories(&kinds, json!({"batch_rows": 5, "deletes": "hard"}), true).await;
}
