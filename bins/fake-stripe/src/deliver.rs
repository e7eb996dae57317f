//! How an answer gets onto the wire: at once, late, in drops, compressed, or not whole.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use crate::answer::{Answer, Delivery};

/// A dripping body comes in this many drops.
const DROPS: usize = 20;

/// Long enough for half a body to leave before the connection ends.
const BEFORE_THE_END: Duration = Duration::from_millis(20);

/// The response that carries an answer; waits first where the answer is late.
pub(crate) async fn response(answer: Answer) -> Response<Body> {
    if let Delivery::After(time) = answer.delivery {
        tokio::time::sleep(time).await;
    }
    let length = answer.body.len();
    let mut response = Response::new(body(answer.body, answer.delivery));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    if matches!(answer.delivery, Delivery::Short | Delivery::Dripping(_)) {
        headers.insert("content-length", HeaderValue::from(length));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Compresses an answer's body.
pub(crate) fn compress(mut answer: Answer) -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let compressed = encoder.write_all(&answer.body).and_then(|()| encoder.finish());
    if let Ok(body) = compressed {
        answer.body = body;
        answer.headers.push(("content-encoding", "gzip".to_owned()));
    }
    answer
}

fn body(body: Vec<u8>, delivery: Delivery) -> Body {
    match delivery {
        Delivery::Whole | Delivery::After(_) => Body::from(body),
        Delivery::Short | Delivery::Broken => half(&body),
        Delivery::Dripping(time) => drops(body, time),
    }
}

/// The first half and then the end of the connection; a moment lies between, in which the half
/// leaves.
fn half(body: &[u8]) -> Body {
    let (first, _) = body.split_at(body.len() / 2);
    let first = Bytes::copy_from_slice(first);
    Body::from_stream(stream::unfold(Some(first), |first| async move {
        let Some(first) = first else {
            tokio::time::sleep(BEFORE_THE_END).await;
            return Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None));
        };
        Some((Ok(first), None))
    }))
}

fn drops(body: Vec<u8>, time: Duration) -> Body {
    let size = body.len().div_ceil(DROPS).max(1);
    let body = Bytes::from(body);
    let pause = time / u32::try_from(DROPS).unwrap_or(1);
    Body::from_stream(stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let drop = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, io::Error>(drop), rest))
    }))
}
