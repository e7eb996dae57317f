//! Pages against a plain model: the whole list, filtered and cut by hand.

use clap::Parser as _;
use proptest::prelude::*;
use serde_json::Value;

use crate::cli::Arguments;
use crate::list::page;
use crate::objects::{Facts, World};
use crate::params::ListQuery;
use crate::render;

fn world(objects: &str, distribution: &str) -> World {
    let line = ["fake-stripe", "--objects", objects, "--distribution", distribution];
    World::create(&Arguments::parse_from(line).population(Facts::embedded()).unwrap())
}

fn objects(world: &World, stream: &str) -> Vec<Value> {
    let view = world.stream(stream).unwrap().now();
    let object = |position| {
        let mut line = Vec::new();
        render::minified(view.object(position), &mut line);
        serde_json::from_slice(&line).unwrap()
    };
    (0..view.len()).map(object).collect()
}

/// What Stripe's words on its lists say, without any thought of speed.
fn model(all: &[Value], query: &ListQuery) -> (Vec<Value>, bool) {
    let place = |id: &Option<String>| {
        id.as_ref().map(|id| all.iter().position(|object| object["id"] == **id).unwrap())
    };
    let (after, before) = (place(&query.starting_after), place(&query.ending_before));
    let listed = all.iter().enumerate().filter(|(at, object)| {
        query.created.contains(&object["created"].as_i64().unwrap())
            && after.is_none_or(|after| *at > after)
            && before.is_none_or(|before| *at < before)
            && match query.status.as_deref() {
                None => object["status"] != "canceled",
                Some("all") => true,
                Some(status) => object["status"] == status,
            }
    });
    let mut listed: Vec<Value> = listed.map(|(_, object)| object.clone()).collect();
    let limit = query.limit.unwrap();
    let has_more = listed.len() > limit;
    if has_more && before.is_some() {
        listed.drain(..listed.len() - limit);
    }
    listed.truncate(limit);
    (listed, has_more)
}

#[test]
fn every_page_is_the_models() {
    let world = world("subscriptions=150", "bursts");
    let all = objects(&world, "subscriptions");
    let view = world.stream("subscriptions").unwrap().now();
    let at = || prop::option::of(0..all.len());
    let time = || {
        let times: Vec<i64> =
            all.iter().map(|object| object["created"].as_i64().unwrap()).collect();
        prop_oneof![Just(i64::MIN), Just(i64::MAX), prop::sample::select(times)]
    };
    let status = prop::sample::select(vec![None, Some("all"), Some("canceled"), Some("active")]);
    let strategy = (1..=100_usize, at(), any::<bool>(), time(), time(), status);
    proptest!(|((limit, cursor, is_after, gte, lt, status) in strategy)| {
        let id = cursor.map(|at| all[at]["id"].as_str().unwrap().to_owned());
        let query = ListQuery {
            limit: Some(limit),
            starting_after: id.clone().filter(|_| is_after),
            ending_before: id.filter(|_| !is_after),
            created: gte..lt,
            status: status.map(str::to_owned),
            filters: Vec::new(),
        };
        let page = page(&view, &query).unwrap();
        let ours: Vec<Value> = page.positions.iter().map(|at| all[*at].clone()).collect();
        prop_assert_eq!((ours, page.has_more), model(&all, &query));
    });
}

#[test]
fn a_list_is_newest_first_and_every_id_is_its_own() {
    for distribution in ["uniform", "growth", "skewed", "bursts", "one-second"] {
        let world = world("charges=300", distribution);
        let all = objects(&world, "charges");
        assert!(all.is_sorted_by_key(|charge| -charge["created"].as_i64().unwrap()));
        let mut ids: Vec<&str> = all.iter().map(|charge| charge["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 300, "{distribution}");
    }
}
