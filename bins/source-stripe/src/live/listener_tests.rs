use connector::{Stopper, stop_channel};
use protocol::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::*;
use crate::live::body::MAX_BODY;
use crate::live::delivery::{Delivery, Outcome, Via};
use crate::live::door::Bounds;
use crate::live::signature::tests::header;
use crate::live::stripe_time::tests::Sleepy;

const NOW: i64 = 1_492_774_577;
const SECRET: &str = "whsec_test";
const EVENT: &str = r#"{"id":"evt_1"}"#;
/// Long enough for a busy machine, short enough for a test that waits for it.
const SHORT: Duration = Duration::from_millis(300);

/// A listener on a free port, and what comes in by it.
struct Listening {
    address: SocketAddr,
    door: Arc<Door>,
    deliveries: mpsc::Receiver<Delivery>,
    stopper: Stopper,
    tasks: JoinSet<()>,
}

async fn listen(bounds: Bounds, waiting: usize) -> Listening {
    let listener = bind(IpAddr::from([127, 0, 0, 1]), 0).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, deliveries) = mpsc::channel(waiting);
    let (stopper, stop) = stop_channel();
    let secrets = vec![Secret::new("whsec_old".to_owned()), Secret::new(SECRET.to_owned())];
    let clock = Sleepy::new(NOW, NOW);
    let (at, with) = (("/hook".to_owned(), secrets), (sender, Arc::default()));
    let door = Door::new(at, (clock, Box::new(drop)), bounds, with, stop);
    let door = Arc::new(door);
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, Arc::clone(&door)));
    Listening { address, door, deliveries, stopper, tasks }
}

impl Listening {
    /// Answers the next event.
    async fn next(&mut self, outcome: Outcome) -> Bytes {
        let delivery = self.deliveries.recv().await.unwrap();
        assert_eq!(delivery.via, Via::Webhook);
        delivery.answer.send(outcome).unwrap();
        delivery.body
    }

    /// Kept, not ours, refused, put off.
    fn counts(&self) -> [u64; 4] {
        self.door.counts.all()
    }
}

/// Sends bytes, says that nothing more comes, and reads to the end.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who is refused early may be cut off while it is still sending.
    drop(stream.write_all(request).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}

async fn status(address: SocketAddr, request: &[u8]) -> u16 {
    let answer = exchange(address, request).await;
    let status = answer.split(' ').nth(1);
    status.unwrap_or_else(|| panic!("no status in {answer:?}")).parse().unwrap()
}

fn post(path: &str, signature: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn signed_at(time: i64, body: &str) -> Vec<u8> {
    post("/hook", &header(SECRET, time, body.as_bytes()), body.as_bytes())
}

fn signed(body: &str) -> Vec<u8> {
    signed_at(NOW, body)
}

#[tokio::test]
async fn an_event_is_answered_when_it_is_kept_and_not_before() {
    let mut here = listen(Bounds::default(), 1).await;
    let address = here.address;
    let request = signed(EVENT);
    let (status, ()) = tokio::join!(status(address, &request), async {
        let delivery = here.deliveries.recv().await.unwrap();
        assert_eq!((&delivery.body[..], delivery.via), (EVENT.as_bytes(), Via::Webhook));
        assert_eq!(here.counts(), [0; 4]);
        delivery.answer.send(Outcome::Kept).unwrap();
    });
    assert_eq!((status, here.counts()), (200, [1, 0, 0, 0]));
    assert!(here.door.counts.is_healthy());
}

/// Each of these gets its status, and nothing of it comes in.
async fn is_answered<const N: usize>(expected: u16, requests: [Vec<u8>; N]) {
    let mut here = listen(Bounds::default(), 1).await;
    for request in &requests {
        let head = String::from_utf8_lossy(&request[..request.len().min(200)]);
        assert_eq!(status(here.address, request).await, expected, "{head}");
    }
    assert!(here.deliveries.try_recv().is_err(), "nothing came in");
    assert_eq!(here.counts()[0], 0);
    assert!(!here.door.counts.is_healthy());
}

fn plain(line: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn forged_and_unsigned_are_refused() {
    let other = header("whsec_other", NOW, EVENT.as_bytes());
    let of_garbage = "t=,v1=,,=\u{7f}é";
    let signatures = [other.as_str(), "", of_garbage];
    is_answered(400, signatures.map(|signature| post("/hook", signature, EVENT.as_bytes()))).await;
}

#[tokio::test]
async fn replayed_with_another_body_is_refused() {
    let good = header(SECRET, NOW, EVENT.as_bytes());
    is_answered(400, [post("/hook", &good, br#"{"id":"evt_2"}"#)]).await;
}

#[tokio::test]
async fn replayed_late_is_refused_and_so_is_what_comes_before_its_time() {
    is_answered(400, [NOW - 301, NOW + 301].map(|time| signed_at(time, EVENT))).await;
}

#[tokio::test]
async fn truncated_is_refused() {
    let whole = signed(EVENT);
    is_answered(400, [1, 3, EVENT.len()].map(|less| whole[..whole.len() - less].to_vec())).await;
}

#[tokio::test]
async fn oversized_is_refused_however_it_is_sent() {
    let long = vec![b' '; MAX_BODY + 1];
    let chunked = b"POST /hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n600000\r\n";
    let good = header(SECRET, NOW, EVENT.as_bytes());
    is_answered(413, [post("/hook", &good, &long), [&chunked[..], &long].concat()]).await;
    is_answered(431, [post("/hook", &"x".repeat(MAX_HEAD), b"")]).await;
}

#[tokio::test]
async fn what_is_signed_and_no_event_is_refused() {
    let no_text = b"{\"a\":\"\xff\"}";
    let no_text = post("/hook", &header(SECRET, NOW, no_text), no_text);
    is_answered(400, [signed("{"), signed("[]"), signed(""), no_text]).await;
}

#[tokio::test]
async fn other_methods_paths_and_protocols_are_refused_and_health_is_told() {
    let good = header(SECRET, NOW, EVENT.as_bytes());
    is_answered(405, [plain("GET /hook"), plain("DELETE /hook")]).await;
    is_answered(404, [post("/", &good, EVENT.as_bytes())]).await;
    is_answered(400, [b"\x16\x03\x01\x02\x00\r\n\r\n".to_vec()]).await;
    is_answered(200, [plain("GET /health")]).await;
}

#[tokio::test]
async fn a_status_says_what_became_of_a_genuine_event() {
    let mut here = listen(Bounds::default(), 1).await;
    for (outcome, expected) in [
        (Outcome::Kept, 200),
        (Outcome::NotOurs, 200),
        (Outcome::Refused("reading the event: it has no id".to_owned()), 400),
    ] {
        let request = signed(EVENT);
        let (answer, _) = tokio::join!(exchange(here.address, &request), here.next(outcome));
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
    }
    let request = signed(EVENT);
    let (status, ()) = tokio::join!(status(here.address, &request), async {
        drop(here.deliveries.recv().await.unwrap());
    });
    assert_eq!((status, here.counts()), (503, [1, 1, 1, 1]));
}

#[tokio::test]
async fn a_full_queue_and_a_slow_destination_put_off() {
    let bounds = Bounds { confirmation: SHORT, ..Bounds::default() };
    let here = listen(bounds, 1).await;
    let request = signed(EVENT);
    let both = tokio::join!(status(here.address, &request), status(here.address, &request));
    assert_eq!((both, here.counts()), ((503, 503), [0, 0, 0, 2]));
}

#[tokio::test]
async fn bodies_take_no_more_memory_than_they_may() {
    let here = listen(Bounds { memory: 100, ..Bounds::default() }, 1).await;
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    assert_eq!(status(here.address, &signed(&long)).await, 503);
}

#[tokio::test]
async fn who_only_waits_is_shown_out_and_keeps_nobody_from_coming_in() {
    let bounds = Bounds { head: SHORT, body: SHORT, connections: 4, ..Bounds::default() };
    let mut here = listen(bounds, 1).await;
    let mut idlers = Vec::new();
    for number in 0..12 {
        let mut idler = TcpStream::connect(here.address).await.unwrap();
        let request = signed(EVENT);
        // Half of them stop in the head, half in the body.
        let part = if number % 2 == 0 { 20 } else { request.len() - 5 };
        idler.write_all(&request[..part]).await.unwrap();
        idlers.push(idler);
    }
    let request = signed(EVENT);
    let (status, _) = tokio::join!(status(here.address, &request), here.next(Outcome::Kept));
    assert_eq!(status, 200);
    for mut idler in idlers {
        let mut answer = String::new();
        idler.read_to_string(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn who_keeps_a_connection_for_later_keeps_nobody_from_coming_in() {
    let forever = Duration::from_secs(1_000_000);
    let here = listen(Bounds { head: forever, connections: 4, ..Bounds::default() }, 1).await;
    let mut kept = Vec::new();
    for _ in 0..12 {
        let mut client = TcpStream::connect(here.address).await.unwrap();
        client.write_all(&plain("GET /health")).await.unwrap();
        client.readable().await.unwrap();
        kept.push(client);
    }
}

async fn send(address: SocketAddr, client: usize, count: usize) {
    for number in 0..count {
        let body = format!("{{\"id\":\"evt_{client}_{number}\"}}");
        assert_eq!(status(address, &signed(&body)).await, 200);
    }
}

#[tokio::test]
async fn two_thousand_at_once_are_all_kept_once_each() {
    const CLIENTS: usize = 40;
    const EACH: usize = 50;
    let here = listen(Bounds::default(), 256).await;
    let Listening { address, door, mut deliveries, .. } = here;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(send(address, client, EACH));
    }
    let mut came = std::collections::BTreeSet::new();
    while came.len() < CLIENTS * EACH {
        let delivery = deliveries.recv().await.unwrap();
        assert!(came.insert(delivery.body), "each comes once");
        delivery.answer.send(Outcome::Kept).unwrap();
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(door.counts.all(), [2_000, 0, 0, 0]);
}

#[tokio::test]
async fn one_connection_brings_one_event_after_the_other() {
    let mut here = listen(Bounds::default(), 1).await;
    let both = [signed(r#"{"id":"evt_1"}"#), signed(r#"{"id":"evt_2"}"#)].concat();
    let (answers, (first, second)) = tokio::join!(exchange(here.address, &both), async {
        (here.next(Outcome::Kept).await, here.next(Outcome::Kept).await)
    });
    assert_eq!((&first[..], &second[..]), (&br#"{"id":"evt_1"}"#[..], &br#"{"id":"evt_2"}"#[..]));
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
}

#[tokio::test]
async fn at_the_end_who_waits_is_answered_and_nobody_comes_in() {
    let mut here = listen(Bounds::default(), 1).await;
    let mut open = TcpStream::connect(here.address).await.unwrap();
    open.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    open.readable().await.unwrap();
    let request = signed(EVENT);
    let (status, ()) = tokio::join!(status(here.address, &request), async {
        let delivery = here.deliveries.recv().await.unwrap();
        here.stopper.stop();
        delivery.answer.send(Outcome::Kept).unwrap();
    });
    assert_eq!(status, 200);
    here.tasks.join_next().await.unwrap().unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1);
    assert!(TcpStream::connect(here.address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_error() {
    let here = listen(Bounds::default(), 1).await;
    let taken = here.address;
    let error = bind(taken.ip(), taken.port()).await.unwrap_err().report();
    assert!(error.starts_with(&format!("listening for webhooks on `{taken}`: ")), "{error}");
    assert!(error.ends_with("; give another `webhook_port` (0 is a free one) or `webhook_host`"));
}
