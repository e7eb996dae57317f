use super::*;
use crate::dead_letter::{list, retry};

fn odd(stream: &str, id: u32) -> String {
    record(stream, id).replace("\"at\":1", "\"at\":1,\"odd\":1.10")
}

/// A destination that refused two odd records and one without a key.
fn with_letters() -> Memory {
    let nameless = odd("a", 3).replace("\"id\"", "\"no\"");
    let input = odd("a", 1) + &odd("b", 2) + &nameless + &record("a", 4);
    let mut memory = Memory { strict: true, ..Memory::default() };
    let out = of(&mut memory, async |memory, out| {
        let (_stopper, stop) = stop_channel();
        write(memory, plans(&["a", "b"]), input.as_bytes(), out, &stop).await.unwrap();
    });
    let written = &out.last().unwrap()["_written"];
    assert_eq!((&written["a"]["refused"], &written["b"]["refused"]), (&json!(2), &json!(1)));
    assert_eq!((memory.rows.len(), memory.letters.len()), (1, 3));
    memory
}

fn of(memory: &mut Memory, work: impl AsyncFnOnce(&mut Memory, &mut Emitter)) -> Vec<Value> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (writer, mut reader) = tokio::io::duplex(1 << 20);
        let mut out = Emitter::new(writer);
        work(memory, &mut out).await;
        drop(out);
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    })
}

#[test]
fn each_dead_letter_is_told_with_its_record_and_reason() {
    let mut memory = with_letters();
    let out = of(&mut memory, async |memory, out| list(memory, None, out).await.unwrap());
    let told: Vec<String> = out
        .iter()
        .map(|line| format!("{} {}", line["log"]["data"]["stream"], line["log"]["data"]["error"]))
        .collect();
    assert_eq!(told.len(), 4, "{out:?}");
    assert!(out.iter().any(|line| line["log"]["data"]["record"]["id"] == "1"), "{out:?}");
    assert!(told.iter().any(|line| line.contains("no value for its key")), "{told:?}");
    assert_eq!(out[3]["log"]["message"], "3 dead letters");
    let out = of(&mut memory, async |memory, out| list(memory, Some("b"), out).await.unwrap());
    assert_eq!(out.len(), 2);
}

#[test]
fn a_retry_brings_back_what_can_be_stored_now_and_keeps_the_rest() {
    let mut memory = with_letters();
    memory.strict = false;
    let out = of(&mut memory, async |memory, out| {
        retry(memory, plans(&["a"]), None, out).await.unwrap();
    });
    let left: Vec<_> =
        memory.letters.iter().map(|letter| (&*letter.stream, letter.tries)).collect();
    assert_eq!(left, [("a", 2), ("b", 1)]);
    assert_eq!(memory.rows.len(), 2);
    assert!(memory.rows.values().any(|(_, document)| document.contains("\"odd\":1.10")));
    let text = format!("{out:?}");
    assert!(text.contains("1 dead letters are of streams outside the catalog"), "{text}");
}
