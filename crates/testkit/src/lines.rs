//! NDJSON lines as connectors write them, each ending in a newline.

use serde_json::{Value, json};

/// When every built record says it was emitted.
const EMITTED_AT: &str = "2026-01-01T00:00:00.000Z";

/// A `record` line.
pub fn record(stream: &str, data: &Value) -> String {
    raw_record(stream, &data.to_string())
}

/// A `record` line whose data is this text, byte for byte.
pub fn raw_record(stream: &str, data: &str) -> String {
    let stream = Value::from(stream);
    format!(
        "{{\"type\":\"record\",\"record\":{{\"stream\":{stream},\"data\":{data},\
         \"emitted_at\":\"{EMITTED_AT}\"}}}}\n"
    )
}

/// A `record` line that says where the object came from: `list`, `event` or `fetch`.
pub fn record_from(origin: &str, stream: &str, data: &Value) -> String {
    let record = json!({"stream": stream, "data": data, "emitted_at": EMITTED_AT});
    line(&json!({"type": "record", "record": record, "_origin": origin}))
}

/// A `source_state` line of one stream.
pub fn state(stream: &str, data: &Value) -> String {
    let payload = json!({"state_type": "stream", "stream": stream, "data": data});
    line(&json!({"type": "source_state", "source_state": payload}))
}

/// A `source_state` line of the whole source.
pub fn global_state(data: &Value) -> String {
    let payload = json!({"state_type": "global", "data": data});
    line(&json!({"type": "source_state", "source_state": payload}))
}

/// A `stream_status` line of a status that carries nothing: `start`, `complete`.
pub fn status(stream: &str, status: &str) -> String {
    line(&json!({"type": "stream_status", "stream_status": {"stream": stream, "status": status}}))
}

/// Any message as a line.
pub fn line(message: &Value) -> String {
    format!("{message}\n")
}

/// A configured catalog of these streams (each a `Stream` with its name, key and schema).
pub fn catalog(streams: &[Value]) -> Value {
    let configured: Vec<Value> = streams
        .iter()
        .map(|stream| {
            json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"})
        })
        .collect();
    json!({ "streams": configured })
}
