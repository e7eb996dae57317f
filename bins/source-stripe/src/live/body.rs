//! The body of a request, within bounds: its own, its time, and the memory of all together.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Longest body that is taken, in bytes.
pub(crate) const MAX_BODY: usize = 5 * 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRead {
    /// Longer than [`MAX_BODY`].
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLong,
    /// It ended before its length.
    #[error("the body is cut off")]
    Cut,
    /// It did not come in time.
    #[error("the body did not come in time")]
    Slow,
    /// The bodies that are being read and waiting fill the memory that they may have.
    #[error("too much is waiting; it may come again")]
    NoRoom,
}

/// A body, and its share of the memory that all may have together.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The body.
    pub(crate) bytes: Bytes,
    /// Held until nobody needs the body any more.
    pub(crate) _share: Option<OwnedSemaphorePermit>,
}

/// Reads a body, at most for `patience`; `room` counts the bytes that all bodies may have together.
///
/// # Errors
///
/// See [`NotRead`].
pub(crate) async fn read(
    body: Incoming,
    room: &Arc<Semaphore>,
    patience: Duration,
) -> Result<Whole, NotRead> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |length| length > MAX_BODY) {
        return Err(NotRead::TooLong);
    }
    timeout(patience, gather(body, room)).await.unwrap_or(Err(NotRead::Slow))
}

async fn gather(mut body: Incoming, room: &Arc<Semaphore>) -> Result<Whole, NotRead> {
    let mut bytes = BytesMut::new();
    let mut share: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NotRead::Cut)?.into_data() else { continue };
        if bytes.len().saturating_add(data.len()) > MAX_BODY {
            return Err(NotRead::TooLong);
        }
        let count = u32::try_from(data.len()).map_err(|_| NotRead::TooLong)?;
        let more = Arc::clone(room).try_acquire_many_owned(count).map_err(|_| NotRead::NoRoom)?;
        match &mut share {
            Some(share) => share.merge(more),
            None => share = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes: bytes.freeze(), _share: share })
}
