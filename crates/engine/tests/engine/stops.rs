//! Runs that are stopped.

use engine::{Stop, StopCause, channel};
use protocol::{EofReason, exit};
use testkit::wait::until;

use crate::house::{ECHO, House, Remembers, holds};

const ENDLESS: &str = r#"start a; record a 1; state a '{"n":1}'; exec sleep 600"#;

/// Stops the run as soon as the state file has the first state.
async fn stopped_by(
    stops: &[Stop],
    read: &str,
    write: &str,
) -> (engine::outcome::Outcome, Remembers) {
    let mut house = House::new(read, write);
    let (sender, receiver) = channel();
    let state = house.path("state.json");
    let run = house.run_with(Remembers::default(), receiver);
    let stop = async {
        until("the state is saved", async || holds(&state, r#""n":1"#)).await;
        for stop in stops {
            sender.send(*stop).unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (done, ()) = tokio::join!(run, stop);
    done
}

#[tokio::test]
async fn sigint_stops_the_source_and_saves() {
    let (outcome, _) = stopped_by(&[Stop::Drain(StopCause::Interrupt)], ENDLESS, ECHO).await;
    assert_eq!(outcome.exit, exit::INTERRUPTED, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.reason, Some(EofReason::Signal));
    assert!(outcome.eof.has_more);
    assert!(outcome.eof.error.is_none());
}

#[tokio::test]
async fn a_second_signal_kills_both_sides() {
    let stops = [Stop::Drain(StopCause::Terminate), Stop::Kill(StopCause::Terminate)];
    let read = format!("trap '' TERM; {}", ENDLESS.replace("exec ", ""));
    let (outcome, _) = stopped_by(&stops, &read, ECHO).await;
    assert_eq!(outcome.exit, exit::TERMINATED, "{:?}", outcome.ending);
    assert!(outcome.eof.has_more);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_run() {
    let mut house = House::new(ENDLESS, ECHO);
    let (_sender, receiver) = channel();
    let client = Remembers { leaves_at_a_state: true, ..Remembers::default() };
    let (outcome, _) = house.run_with(client, receiver).await;
    assert_eq!(outcome.exit, exit::MORE, "{:?}", outcome.ending);
    let state = outcome.eof.ending_state.unwrap();
    assert_eq!(state.source.streams["a"].get(), r#"{"n":1}"#);
}

#[tokio::test]
async fn a_destination_that_waits_is_asked_to_stop_too_and_what_it_confirmed_is_kept() {
    let waits = r#"while read -r line; do echo "$line"; case "$line" in *source_state*) break;; esac; done; exec sleep 600"#;
    let read = ENDLESS.replace("exec sleep 600", "record a 2; exec sleep 600");
    let (outcome, _) = stopped_by(&[Stop::Drain(StopCause::Terminate)], &read, waits).await;
    assert_eq!(outcome.exit, exit::TERMINATED, "{:?}", outcome.ending);
    assert!(outcome.ending.failures.is_empty(), "{:?}", outcome.ending);
    let state = outcome.eof.ending_state.unwrap();
    assert_eq!(state.source.streams["a"].get(), r#"{"n":1}"#);
}

#[tokio::test]
async fn a_source_that_ignores_sigterm_is_killed_and_what_it_sent_is_kept() {
    let read = format!("trap '' TERM; {}", ENDLESS.replace("exec ", ""));
    let (outcome, _) = stopped_by(&[Stop::Drain(StopCause::Terminate)], &read, ECHO).await;
    assert_eq!(outcome.exit, exit::TERMINATED, "{:?}", outcome.ending);
    let state = outcome.eof.ending_state.unwrap();
    assert_eq!(state.source.streams["a"].get(), r#"{"n":1}"#);
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_a_source_that_says_nothing_more() {
    let house = House::new("start a; record a 1; exec sleep 600", ECHO);
    let (near, far) = tokio::io::duplex(16);
    drop(far);
    house.read(near).await.unwrap();
}
