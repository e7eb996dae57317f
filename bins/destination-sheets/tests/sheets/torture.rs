//! Requests whose answers are lost, runs that are killed at any of them: the tab ends the same.

use testkit::program::Signal;
use testkit::sheets::{Effect, Fault};

use crate::copy::{Copy, counts, failure, page, stream};

fn input() -> String {
    page("customers", (0, 30), ("a", 7)) + &page("customers", (20, 50), ("b", 8))
}

fn assert_whole(copy: &Copy) {
    let names = copy.column("customers", "name");
    assert_eq!(names.len(), 50);
    let right =
        names.iter().all(|(id, name)| *name == if id.as_str() < "cus_00020" { "a" } else { "b" });
    assert!(right, "{names:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_row_twice() {
    for effect in [Effect::Everything, Effect::Half, Effect::Nothing] {
        let copy = Copy::of(&[stream("customers")]).await;
        copy.write(&[stream("customers")], &page("customers", (0, 20), ("x", 1))).await;
        for line in ["values:batchUpdate", "/values:batchGet", ":batchUpdate"] {
            copy.sheets.fail(Fault { effect, ..Fault::once(line, 500) });
        }
        let run = copy.write(&[stream("customers")], &input()).await.expect_code(0);
        assert_eq!(counts(&run, "customers").values().sum::<u64>(), 60);
        assert_whole(&copy);
    }
}

#[tokio::test]
async fn a_run_that_ends_half_way_acknowledges_no_more_than_what_stands_there() {
    for effect in [Effect::Everything, Effect::Half, Effect::Nothing] {
        let copy = Copy::of(&[stream("customers")]).await;
        copy.sheets.fail(Fault { effect, times: 100, ..Fault::once("values:batchUpdate", 403) });
        let run = copy.write(&[stream("customers")], &input()).await.expect_code(1);
        assert_eq!(run.of_type("source_state").len(), 0);
        let again = Copy { id: copy.id.clone(), ..copy };
        again.sheets.forgive();
        again.write(&[stream("customers")], &input()).await.expect_code(0);
        assert_whole(&again);
    }
}

#[tokio::test]
async fn an_answer_without_the_cells_that_were_asked_for_is_no_empty_tab() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &input()).await.expect_code(0);
    // The second is that of the keys.
    copy.sheets.fail(Fault { after: 1, ..Fault::once("batchGet", 200) });
    let run = copy.write(&[stream("customers")], &input()).await.expect_code(1);
    assert_eq!(failure(&run).1, "unreachable", "{}", run.stdout);
    copy.write(&[stream("customers")], &input()).await.expect_code(0);
    assert_whole(&copy);
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_request_is_made_good_by_the_next() {
    for at in 0..8 {
        let copy = Copy::of(&[stream("customers")]).await;
        let mut running = copy.program("write", &[stream("customers")]).start();
        let reached = copy.sheets.hold((" ", at));
        running.send(&page("customers", (0, 30), ("a", 7))).await;
        tokio::select! {
            () = reached => {}
            _ = running.message(|message| message["type"] == "source_state") => {}
        }
        running.signal(Signal::KILL);
        running.finish().await;
        copy.sheets.forgive();
        copy.write(&[stream("customers")], &input()).await.expect_code(0);
        assert_whole(&copy);
    }
}

#[tokio::test]
async fn two_runs_one_after_the_other_write_what_one_would() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &input()).await.expect_code(0);
    let once = copy.cells("customers");
    copy.write(&[stream("customers")], &input()).await.expect_code(0);
    assert_eq!(copy.cells("customers"), once);
    assert_whole(&copy);
}
