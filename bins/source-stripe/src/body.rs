//! Bodies as they arrive.
//!
//! How large a page is shows only when it is there, and a hundred objects can have half a gigabyte.
//! So the pages that are larger than expected share one room; one that finds it full is let go, to
//! be asked for again with fewer objects. A page of one object is always taken.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_ENCODING;

use crate::room::{Held, Room, SMALL, TooLarge};

/// Most bytes that room is made for because an answer announces them.
const ANNOUNCED: usize = 16 * 1024 * 1024;

/// Bodies that were read and whose memory is kept for the next: blocks of many sizes that come and
/// go leave holes.
const KEPT: usize = 4;

/// Receives bodies, each where there is room for it.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    room: Room,
    kept: Mutex<Vec<Vec<u8>>>,
}

/// A whole body.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The room that it takes.
    pub(crate) held: Held,
}

/// Why a body is not there.
#[derive(Debug)]
pub(crate) enum Unreceived {
    /// It did not arrive.
    Lost(Box<dyn std::error::Error + Send + Sync>),
    /// It is larger than there is room for.
    TooLarge,
}

/// What has arrived of a body, unpacked.
enum Unpacked {
    Plain(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Unpacked {
    fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Gzip(decoder) => decoder.get_ref().len(),
        }
    }

    fn take_in(&mut self, chunk: &[u8]) -> Result<(), Unreceived> {
        match self {
            Self::Plain(bytes) => bytes.extend_from_slice(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk).map_err(garbled)?,
        }
        Ok(())
    }

    fn end(self) -> Result<Vec<u8>, Unreceived> {
        match self {
            Self::Plain(bytes) => Ok(bytes),
            Self::Gzip(decoder) => decoder.finish().map_err(garbled),
        }
    }
}

fn garbled(error: std::io::Error) -> Unreceived {
    Unreceived::Lost(error.into())
}

impl From<TooLarge> for Unreceived {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl Bodies {
    /// Waits for room for a body that nothing has been read of, of at least `room` bytes. It is about
    /// `expected` bytes long if it is not to be taken at any size.
    pub(crate) async fn wait(&self, body: &Incoming, room: usize, expected: Option<usize>) -> Held {
        let most = expected.map_or(usize::MAX, |expected| expected.max(SMALL));
        self.room.wait(announced(body).min(most).max(room)).await
    }

    /// Bytes of room that nobody has taken or waits for.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.room.free()
    }

    /// Receives a body, of about `expected` bytes if it is not to be taken at any size, for which
    /// this much room is `held`.
    ///
    /// # Errors
    ///
    /// When it does not arrive as a whole, or is larger than there is room for.
    pub(crate) async fn receive(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
        expected: Option<usize>,
        mut held: Held,
    ) -> Result<Body, Unreceived> {
        let announced = announced(&body);
        self.room.cover(announced, expected, &mut held)?;
        let mut bytes = self.kept().pop().unwrap_or_default();
        bytes.reserve(announced.min(ANNOUNCED));
        let is_packed = headers.get(CONTENT_ENCODING).is_some_and(|packed| packed == "gzip");
        let mut unpacked = if is_packed {
            Unpacked::Gzip(Box::new(MultiGzDecoder::new(bytes)))
        } else {
            Unpacked::Plain(bytes)
        };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Unreceived::Lost(error.into()))?;
            let Some(chunk) = frame.data_ref() else { continue };
            self.room.cover(unpacked.len().saturating_add(chunk.len()), expected, &mut held)?;
            unpacked.take_in(chunk)?;
        }
        let bytes = unpacked.end()?;
        self.room.cover(bytes.len(), expected, &mut held)?;
        Ok(Body { bytes, held })
    }

    /// Takes back the memory of a body that was read.
    pub(crate) fn keep(&self, mut body: Vec<u8>) {
        let mut kept = self.kept();
        if body.capacity() <= SMALL && kept.len() < KEPT {
            body.clear();
            kept.push(body);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are to come of a body, as far as that is known; of one that is packed, packed.
fn announced(body: &Incoming) -> usize {
    usize::try_from(body.size_hint().exact().unwrap_or_default()).unwrap_or(usize::MAX)
}
