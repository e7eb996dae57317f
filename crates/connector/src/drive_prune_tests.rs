use super::*;

/// One record: a child of a parent, or a parent that names the children it still has.
#[derive(Debug, Clone)]
enum Step {
    Child { parent: u8, number: u8, stamp: i64, name: u8, deleted: bool, event: bool },
    Parent { parent: u8, keep: Vec<u8>, stamp: i64, event: bool },
}

fn any_step() -> impl Strategy<Value = Step> {
    let stamp = || 0..6_i64;
    prop_oneof![
        3 => (0..2_u8, 0..3_u8, stamp(), 0..2_u8, any::<bool>(), any::<bool>()).prop_map(
            |(parent, number, stamp, name, deleted, event)| {
                Step::Child { parent, number, stamp, name, deleted: deleted && name == 0, event }
            }
        ),
        2 => (0..2_u8, proptest::collection::vec(0..3_u8, 0..3), stamp(), any::<bool>())
            .prop_map(|(parent, keep, stamp, event)| Step::Parent { parent, keep, stamp, event }),
    ]
}

fn line(step: &Step) -> String {
    let origin = |event: &bool| if *event { "event" } else { "list" };
    let message = match step {
        Step::Child { parent, number, stamp, name, deleted, event } => json!({
            "type": "record", "_origin": origin(event),
            "record": {"stream": "b", "emitted_at": "", "data": {
                "id": format!("{parent}-{number}"), "parent": format!("p{parent}"), "name": name,
                "deleted": deleted, "at": stamp,
            }},
        }),
        Step::Parent { parent, keep, stamp, event } => {
            let keep: Vec<String> =
                keep.iter().map(|number| format!("{parent}-{number}")).collect();
            let prune = json!({
                "stream": "b", "where": {"parent": format!("p{parent}")}, "keep": keep,
            });
            json!({
                "type": "record", "_origin": origin(event), "_prune": [prune],
                "record": {"stream": "a", "emitted_at": "", "data": {
                    "id": format!("p{parent}"), "at": stamp,
                }},
            })
        }
    };
    message.to_string() + "\n"
}

/// Stamp and mark of each child when everything is done one by one.
fn one_by_one(steps: &[Step]) -> BTreeMap<String, (i64, bool)> {
    let mut rows: BTreeMap<String, Stored> = BTreeMap::new();
    let origin =
        |event: bool| Some(if event { protocol::Origin::Event } else { protocol::Origin::List });
    for step in steps {
        match step {
            Step::Child { parent, number, stamp, name, deleted, event } => {
                let id = format!("{parent}-{number}");
                let (content, stub) = (u64::from(*name) * 2 + u64::from(*deleted), false);
                let (deleted, origin) = (*deleted, origin(*event));
                let version = Version { stamp: *stamp, content, deleted, stub, origin };
                let action = resolve(rows.get(&id).copied(), &[version]).action;
                if let Action::Restamp(row) | Action::Mark(row) | Action::Write { row, .. } = action
                {
                    rows.insert(id, row);
                }
            }
            Step::Parent { parent, keep, stamp, event } => {
                let is_meant = |id: &String, row: &Stored| {
                    let is_kept = keep.iter().any(|number| *id == format!("{parent}-{number}"));
                    let alive = !row.deleted && row.stamp <= *stamp;
                    let moved = row.deleted && row.stamp < *stamp && *event;
                    id.starts_with(&format!("{parent}-")) && !is_kept && (alive || moved)
                };
                for (_, row) in rows.iter_mut().filter(|(id, row)| is_meant(id, row)) {
                    *row = Stored { stamp: *stamp, deleted: true, ..*row };
                }
            }
        }
    }
    rows.into_iter().map(|(id, row)| (id, (row.stamp, row.deleted))).collect()
}

proptest! {
    #[test]
    fn prunes_take_effect_between_the_records_around_them(
        steps in proptest::collection::vec(any_step(), 0..40),
    ) {
        let input: String = steps.iter().map(line).collect();
        let (memory, done, out) = run(&input);
        done.unwrap();
        let children = memory.rows.iter().filter(|((stream, _), _)| stream == "b");
        let ended: BTreeMap<String, (i64, bool)> = children
            .map(|((_, key), (row, _))| (key[0].clone(), (row.stamp, row.deleted)))
            .collect();
        prop_assert_eq!(ended, one_by_one(&steps));
        let counted: u64 = out
            .iter()
            .filter_map(|line| line["_written"].as_object())
            .flat_map(|written| written.values())
            .map(|counts| serde_json::from_value::<WrittenCounts>(counts.clone()).unwrap().total())
            .sum();
        prop_assert_eq!(counted, steps.len() as u64);
    }
}

#[test]
fn a_prune_of_a_failed_stream_goes_with_it_and_the_parent_stays() {
    let parent = r#"{"type":"record","record":{"stream":"a","data":{"id":"p","at":1},"emitted_at":""},"_prune":[{"stream":"bad","where":{"parent":"p"},"keep":[]}]}"#;
    let (memory, done, out) =
        run(&(record("bad", 1) + &state("bad", 1) + parent + "\n" + &state("a", 1)));
    done.unwrap();
    assert_eq!(memory.rows.keys().filter(|(stream, _)| stream == "a").count(), 1);
    assert_eq!(out.iter().filter(|line| line["type"] == "source_state").count(), 1, "{out:?}");
}

#[test]
fn a_child_of_another_account_is_not_meant() {
    let stream = |name: &str| {
        let stream = json!({"name": name, "primary_key": [["id"], ["_account_id"]], "newer_than_field": "at"});
        StreamPlan::new(&ConfiguredStream::new(serde_json::from_value(stream).unwrap())).unwrap()
    };
    let text = r#"{"id":"p","_account_id":"acct_1","at":5}"#;
    let wire: protocol::Prune =
        serde_json::from_value(json!({"stream": "c", "where": {"parent": "p"}, "keep": ["x"]}))
            .unwrap();
    let parent = crate::row::Came { data: text, origin: None, is_suspicious: false };
    let prune = crate::Prune::of(&wire, &stream("c"), parent, 5).unwrap();
    for (id, document, meant) in [
        ("y", r#"{"parent":"p","_account_id":"acct_1"}"#, true),
        ("y", r#"{"parent":{"id":"p","n":1},"_account_id":"acct_1"}"#, true),
        ("x", r#"{"parent":"p","_account_id":"acct_1"}"#, false),
        ("y", r#"{"parent":"p","_account_id":"acct_2"}"#, false),
        ("y", r#"{"parent":"q","_account_id":"acct_1"}"#, false),
        ("y", r#"{"_account_id":"acct_1"}"#, false),
    ] {
        assert_eq!(prune.concerns(id, document), meant, "{id} {document}");
    }
}
