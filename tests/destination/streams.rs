//! What one stream's trouble costs the others, what a stop costs, and tables that grow.

use serde_json::json;
use testkit::lines;
use testkit::program::Signal;

use crate::place::{all_places, counts, list, object, places, stream};
use crate::prune::{child, parent};

#[tokio::test]
async fn a_failed_stream_takes_its_states_and_every_global_one_with_it() {
    let input = [
        child("a", "p", 1),
        lines::state("children", &json!(1)),
        parent(&object("p", 1, "Ann"), "list", &[]),
        lines::state("parents", &json!(1)),
        lines::global_state(&json!(1)),
        lines::status("children", "complete"),
        lines::status("parents", "complete"),
    ]
    .concat();
    for place in places(json!({})).await {
        place.execute("DROP TABLE stripe.children").await;
        let done = place.write(&input).await.expect_code(0);
        let states = done.of_type("source_state");
        assert_eq!(states.len(), 1, "{} {}", place.name(), done.stdout);
        assert_eq!(states[0]["source_state"]["stream"], "parents");
        let statuses: Vec<String> = done
            .of_type("stream_status")
            .iter()
            .map(|line| {
                let status = &line["stream_status"];
                format!(
                    "{} {}",
                    status["stream"].as_str().unwrap(),
                    status["status"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(statuses, ["children error", "parents complete"], "{}", place.name());
        assert_eq!(counts(&done, "parents"), json!({"created": 1}));
    }
}

#[tokio::test]
async fn a_stop_stores_what_came() {
    for place in all_places(json!({})).await {
        let mut running = place.start();
        running.send(&list(&object("a", 1, "Ann"))).await;
        running.send(&lines::state("parents", &json!(1))).await;
        running.message(|message| message["type"] == "source_state").await;
        running.signal(Signal::TERM);
        running.finish().await.expect_code(0);
        assert_eq!(place.short("parents").await, ["a Ann 1"], "{}", place.name());
    }
}

#[tokio::test]
async fn a_new_property_is_there_for_old_rows_and_a_lost_one_stays() {
    for mut place in places(json!({})).await {
        let mut data = object("a", 1, "Ann");
        data["phone"] = json!("123");
        place.write(&list(&data)).await.expect_code(0);
        let mut grown = stream("parents");
        let properties = grown["json_schema"]["properties"].as_object_mut().unwrap();
        properties.remove("name");
        properties.insert("phone".to_owned(), json!({"type": "string"}));
        place.catalog = lines::catalog(&[grown]);
        place.run(&["setup"], "").await.expect_code(0);
        place.execute("CREATE TABLE stripe.found AS SELECT phone, name FROM stripe.parents").await;
        let again = place.counts("parents", &list(&data)).await;
        assert_eq!(again, json!({"unchanged": 1}), "{}", place.name());
    }
}
