//! The session of the Stripe CLI, through a real WebSocket.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket, client};

use crate::fake::{Fake, until};

fn connect(session: &Value) -> Result<WebSocket<TcpStream>, String> {
    let url = session["websocket_url"].as_str().expect("a URL");
    let feature = session["websocket_authorized_feature"].as_str().expect("a feature");
    let address = format!("{url}?websocket_feature={feature}");
    let mut request = address.into_client_request().expect("a request");
    let id = session["websocket_id"].as_str().expect("an id");
    request.headers_mut().insert("websocket-id", id.parse().expect("a header"));
    let host = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("a host");
    let stream = TcpStream::connect(host).expect("connect");
    client(request, stream).map(|(socket, _)| socket).map_err(|error| error.to_string())
}

fn open(fake: &Fake) -> Value {
    let form = "device_name=test&websocket_features%5B%5D=webhooks";
    fake.ask("POST /v1/stripecli/sessions", "", form)
}

#[test]
fn events_come_through_the_socket_while_somebody_listens() {
    let streams = ["--objects", "customers=5,events=3", "--mutate-streams", "customers"];
    let fake = Fake::start(&streams);
    let mut socket = connect(&open(&fake)).expect("a WebSocket");
    socket.send(Message::Ping("here".into())).expect("ping");
    assert!(matches!(socket.read().expect("an answer"), Message::Pong(_)), "it listens now");
    fake.ask("POST /__mutate", "", &json!({"steps": 20}).to_string());
    let page = fake.ask("GET /v1/events?limit=100", "", "");
    let told: Vec<Value> = page["data"].as_array().expect("data").clone();
    let new = told.len() - 3;
    assert!(new > 0);
    for event in told.iter().take(new).rev() {
        let text = socket.read().expect("a frame").into_text().expect("text");
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(frame["type"], "webhook_event");
        let payload = frame["event_payload"].as_str().expect("a payload");
        assert_eq!(serde_json::from_str::<Value>(payload).expect("JSON"), *event);
        let ack = json!({"type": "event_ack", "event_id": frame["webhook_id"]});
        socket.send(Message::Text(ack.to_string().into())).expect("acknowledge");
    }
    let counts = || fake.ask("GET /__webhooks", "", "");
    until("all is acknowledged", 10, || counts()["acknowledged_by_socket"] == new);
}

#[test]
fn who_opened_no_session_is_refused() {
    let fake = Fake::start(&["--objects", "customers=1"]);
    let mut session = open(&fake);
    session["websocket_id"] = json!("cliws_x");
    let refused = connect(&session).expect_err("a refusal");
    assert!(refused.contains("404"), "{refused}");
}
