//! Connections that end at the worst moments of a delete: it is written again, or found written,
//! and no state that speaks for it comes out before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use testkit::{lines, postgres::Cluster};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::copy::{Copy, object, records, stub, written};

/// A way to the server that is cut once: what the server answers to the first piece that holds a
/// text does not arrive. The server has done by then what it was asked.
struct Way {
    port: u16,
    is_cut: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Way {
    async fn cut_at(text: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::<AtomicBool>::default();
        let (cut, mut tasks) = (Arc::clone(&is_cut), JoinSet::new());
        tasks.spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(("127.0.0.1", Cluster::shared().port())).await;
                ways.spawn(pass(near, far.unwrap(), text, Arc::clone(&cut)));
            }
        });
        Self { port, is_cut, _tasks: tasks }
    }

    fn url(&self, direct: &str) -> String {
        direct.replace(&format!(":{}/", Cluster::shared().port()), &format!(":{}/", self.port))
    }
}

async fn pass(mut near: TcpStream, mut far: TcpStream, text: &str, is_cut: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut is_deaf = false;
    loop {
        tokio::select! {
            Ok(count @ 1..) = near.read(&mut asked) => {
                let piece = &asked[..count];
                let holds = piece.windows(text.len()).any(|part| part == text.as_bytes());
                is_deaf |= holds && !is_cut.swap(true, Ordering::Relaxed);
                if far.write_all(piece).await.is_err() {
                    return;
                }
            }
            Ok(count @ 1..) = far.read(&mut answered) => {
                if is_deaf || near.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

/// With a customer `a` that is there.
async fn copy(deletes: &str) -> Copy<'static> {
    let mut copy = Copy::bare().await;
    copy.config["deletes"] = json!(deletes);
    copy.setup().await.expect_code(0);
    copy.write(lines::record("customers", &object("a", 100, "Ann"))).await.expect_code(0);
    copy
}

fn delete(data: &Value) -> String {
    lines::record_from("event", "customers", data) + &lines::state("customers", &json!("deleted"))
}

fn is_state(message: &Value) -> bool {
    message["type"] == "source_state"
}

async fn alive(copy: &Copy<'_>) -> Vec<String> {
    copy.database.column("SELECT id FROM stripe.customers WHERE deleted IS NOT TRUE").await
}

/// Ends the connections that wait for a lock, once there are any.
async fn end_who_waits(copy: &Copy<'_>) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while copy.database.value(end).await == "0" {}
}

async fn survives(deletes: &str, data: Value, text: &'static str) {
    let mut copy = copy(deletes).await;
    let way = Way::cut_at(text).await;
    copy.config["url"] = json!(way.url(&copy.database.url()));
    let done = copy.write(delete(&data)).await.expect_code(0);
    let what = format!("{deletes}, {text}: {}", done.stderr);
    assert!(way.is_cut.load(Ordering::Relaxed) && done.stderr.contains("trying again"), "{what}");
    assert_eq!(done.of_type("source_state").len(), 1, "{what}");
    assert_eq!(alive(&copy).await, Vec::<String>::new(), "{what}");
    let counts = written(&done)["customers"].as_object().unwrap().clone();
    let count: u64 = counts.values().filter_map(Value::as_u64).sum();
    assert_eq!(count, 1, "{what}: {counts:?}");
}

#[tokio::test]
async fn a_delete_is_there_when_its_state_comes_whichever_answer_was_lost() {
    let mut whole = object("a", 200, "Ann");
    whole["deleted"] = json!(true);
    let (look, lock) = ("= ANY ((SELECT", "FOR UPDATE OF t");
    let soft = [look, "SET LOCAL", lock, "jsonb_build_object", "COMMIT"];
    let remove = "DELETE FROM \"stripe\".\"customers\"";
    let note = "INSERT INTO \"stripe\".\"_sync_tombstone\"";
    let hard = [look, lock, remove, note, "COMMIT"];
    let mut all = JoinSet::new();
    for text in soft {
        all.spawn(survives("soft", stub("a", 200), text));
    }
    for text in hard {
        all.spawn(survives("hard", stub("a", 200), text));
    }
    all.spawn(survives("soft", whole.clone(), "_raw_data = u.d::jsonb"));
    all.spawn(survives("soft", whole.clone(), "COMMIT"));
    all.spawn(survives("hard", whole, "COMMIT"));
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_delete_whose_connection_is_ended_within_the_commit_is_written_again() {
    let copy = copy("soft").await;
    let wait = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END'; \
                CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON stripe.customers \
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()";
    copy.database.execute(wait).await;
    let holder = copy.database.client().await;
    holder.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let mut running = copy.start();
    running.send(&delete(&stub("a", 200))).await;
    end_who_waits(&copy).await;
    holder.close().await;
    running.message(is_state).await;
    assert_eq!(alive(&copy).await, Vec::<String>::new());
    let done = running.finish().await.expect_code(0);
    assert_eq!(written(&done)["customers"], json!({"deleted": 1}));
}

#[tokio::test]
async fn no_state_overtakes_a_delete_whose_connection_is_ended_while_another_commits() {
    let copy = copy("soft").await;
    let mut client = copy.database.client().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute("SELECT FROM stripe.customers FOR UPDATE").await.unwrap();
    let mut running = copy.start();
    let input = delete(&stub("a", 200)) + &records("charges", 3, 1);
    running.send(&(input + &lines::global_state(&json!("all")))).await;
    while copy.database.value("SELECT count(*) FROM stripe.charges").await == "0" {}
    end_who_waits(&copy).await;
    held.commit().await.unwrap();
    running.message(is_state).await;
    assert_eq!(alive(&copy).await, Vec::<String>::new());
    let done = running.finish().await.expect_code(0);
    assert_eq!(done.of_type("source_state").len(), 2);
    assert_eq!(written(&done)["charges"], json!({"created": 3}));
}

#[tokio::test]
async fn a_delete_after_every_connection_was_ended_is_written() {
    let copy = copy("soft").await;
    let mut running = copy.start();
    let before = lines::record("customers", &object("b", 100, "Eve"));
    running.send(&(before + &lines::state("customers", &json!("before")))).await;
    running.message(is_state).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    copy.database.execute(end).await;
    running.send(&delete(&stub("a", 200))).await;
    running.message(is_state).await;
    assert_eq!(alive(&copy).await, ["b"]);
    running.finish().await.expect_code(0);
}
