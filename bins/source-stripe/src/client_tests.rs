use serde_json::json;
use stripe_api::Catalogue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::room::PAGES;

const BODY: &str = r#"{"object":"list","data":[{"id":"cus_1","created":5}],"has_more":false}"#;

/// A server that answers every request with the same page.
async fn server() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream));
        }
    });
    (url, server)
}

async fn serve(mut stream: TcpStream) {
    let mut asked = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        asked.push(byte);
        if asked.ends_with(b"\r\n\r\n") {
            asked.clear();
            let head = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length:";
            let answer = format!("{head} {}\r\n\r\n{BODY}", BODY.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

fn client(url: &str) -> Client {
    let config = serde_json::from_value(json!({
        "api_key": "sk_test_0123456789abcd",
        "api_version": Catalogue::embedded().api_version,
        "base_url": url,
    }));
    Client::open(&Settings::new(config.unwrap(), Catalogue::embedded()).unwrap()).unwrap().0
}

fn call(room: usize) -> Call {
    Call::list("customers", "/v1/customers", Vec::new()).with_room(room)
}

#[tokio::test]
async fn an_answer_waits_for_its_room_longer_than_one_may_take_to_come() {
    let (url, _server) = server().await;
    let client = client(&url);
    assert!(!client.may_leave_unread(), "it may be one of many on a connection");
    let frame = Frame::new("customers", "acct_1", Some("created"));
    let (most, all) = (call(PAGES - 10), call(PAGES));
    let first = client.page(&most, &frame).await.unwrap();
    assert!(client.may_leave_unread());
    assert_eq!(client.bodies.free(), 10);
    let waiting = async {
        while client.bodies.free() > 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(REQUEST * 10).await;
        tokio::time::resume();
        drop(first);
    };
    let (second, ()) = tokio::join!(client.page(&all, &frame), waiting);
    let second = second.unwrap();
    assert_eq!((second.page.len(), client.bodies.free()), (1, 0));
    assert_eq!(client.take_requests()["/v1/customers"], 2, "nothing was asked for again");
    drop(second);
    assert_eq!(client.bodies.free(), PAGES);
}

#[tokio::test]
async fn an_answer_that_is_cut_after_it_was_left_lying_is_no_failure_of_stripe() {
    let client = client("http://127.0.0.1:1");
    let gone = std::io::Error::other("gone");
    let forgiven = |unread: Duration| match *client.cut(&call(1), &gone, unread) {
        Verdict::Again { forgiven, .. } => forgiven,
        Verdict::Final(failure) => panic!("{failure:?}"),
    };
    assert!(forgiven(PATIENCE) && !forgiven(PATIENCE / 2));
}
