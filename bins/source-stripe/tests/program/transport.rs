//! How answers come: through a proxy, and packed.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::http::Response;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read};
use crate::scripted::{Scripted, page};

/// A proxy that connects to whatever it is told, and the heads of what it was asked.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://reader:canary@{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heads = Arc::clone(&asked);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tunnels.spawn(tunnel(stream, Arc::clone(&heads)));
            }
        });
        Self { url, asked, _server: server }
    }
}

async fn tunnel(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let target = head.split(' ').nth(1).unwrap();
    let mut server = TcpStream::connect(target).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Whoever ends first ends it.
    drop(copy_bidirectional(&mut stream, &mut server).await);
}

#[tokio::test]
async fn a_proxy_that_the_environment_names_is_told_where_to_connect() {
    let (fake, proxy) = (Fake::start("customers=130", &[]).await, Proxy::start().await);
    let through = || {
        let read = read(&config(&fake.url, json!({})), &catalog(&["customers"]), None);
        read.env("HTTP_PROXY", &proxy.url)
    };
    let finished = through().env("NO_PROXY", "").run("").await.expect_code(0);
    copied(&finished).assert_equals("customers", &fake.oracle("customers").await);
    let asked = proxy.asked.lock().unwrap().clone();
    let place = fake.url.strip_prefix("http://").unwrap();
    assert!(asked[0].starts_with(&format!("CONNECT {place} HTTP/1.1\r\n")), "{asked:?}");
    let told = asked[0].to_lowercase().contains("proxy-authorization: basic ");
    assert!(told && !finished.stderr.contains("canary"), "{asked:?}");
    let finished = through().env("NO_PROXY", "127.0.0.1").run("").await.expect_code(0);
    copied(&finished).assert_equals("customers", &fake.oracle("customers").await);
    assert_eq!(proxy.asked.lock().unwrap().len(), asked.len(), "it is not for this host");
}

#[tokio::test]
async fn an_answer_may_be_packed() {
    let stripe = Scripted::start(|asked| {
        assert_eq!(asked.headers["accept-encoding"], "gzip");
        let objects: &[(&str, i64)] = match asked.path.as_str() {
            "/v1/customers" => &[("cus_2", 7), ("cus_1", 5)],
            _ => &[],
        };
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(page(objects, false).to_string().as_bytes()).unwrap();
        let answer = Response::builder().header("Content-Encoding", "gzip");
        answer.body(packed.finish().unwrap().into()).unwrap()
    })
    .await;
    let finished = read(&config(&stripe.url, json!({})), &catalog(&["customers"]), None).run("");
    let copied = copied(&finished.await.expect_code(0));
    assert_eq!(copied.records["customers"].keys().collect::<Vec<_>>(), ["cus_1", "cus_2"]);
    assert!(copied.ended("customers", "complete"));
}
