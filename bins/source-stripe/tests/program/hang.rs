//! An answer that never comes. The source runs inside the test, which owns the clock: a minute passes
//! at once.

use std::time::Duration;

use connector::{Emitter, Environment, Input, ReadRequest, Source as _, stop_channel};
use protocol::SourceState;
use serde_json::{Value, json};
use source_stripe::StripeSource;
use tokio::io::AsyncReadExt as _;

use crate::fake::Fake;
use crate::run::{Copied, catalog, config};

/// What a `read` inside this process prints.
async fn read_here(config: Value, catalog: Value) -> String {
    let (out, mut printed) = tokio::io::duplex(64 * 1024);
    let reading = async move {
        let mut out = Emitter::new(out);
        let given = serde_json::from_value(config).unwrap();
        let source = StripeSource::open(given, &Environment::default(), &mut out).await.unwrap();
        let catalog = serde_json::from_value(catalog).unwrap();
        let (state, input) = (SourceState::default(), Input::empty());
        let (_stopper, stop) = stop_channel();
        let request = ReadRequest { catalog, state, follow: false, input };
        source.read(request, &mut out, stop).await.unwrap();
        out.flush().await.unwrap();
    };
    let mut text = String::new();
    let (_, printed) = tokio::join!(reading, printed.read_to_string(&mut text));
    printed.unwrap();
    text
}

/// Lets a minute pass once the request that is never answered has been made.
async fn let_a_minute_pass(fake: &Fake) {
    let hangs = async || {
        let stats: Value = serde_json::from_str(&fake.get("/__stats").await).unwrap();
        stats["by_fault"]["hang"] == json!(1)
    };
    while !hangs().await {}
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_answer_that_never_comes_is_asked_for_again_after_a_minute() {
    let fault = ["--fault", "path=/v1/charges,nth=2,kind=hang"];
    let fake = Fake::start("charges=250", &fault).await;
    let one_by_one = config(&fake.url, json!({"max_in_flight": 1}));
    let reading = read_here(one_by_one, catalog(&["charges"]));
    let (printed, ()) = tokio::join!(reading, let_a_minute_pass(&fake));
    let mut copied = Copied::default();
    copied.take_in(&printed);
    copied.assert_equals("charges", &fake.oracle("charges").await);
    assert!(copied.ended("charges", "complete"));
    assert_eq!(fake.requests("/v1/charges").await, 4);
}
