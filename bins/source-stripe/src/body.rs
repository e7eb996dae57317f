//! Bodies as they arrive: how many bytes of pages are in memory at once, whatever was expected.
//!
//! How large a page is shows only when it is there, and a hundred objects can have half a gigabyte.
//! So the pages that are larger than expected share one room; one that finds it full is let go, to
//! be asked for again with fewer objects. A page of one object is always taken.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_ENCODING;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that a page may have in any case.
const SMALL: usize = 1024 * 1024;
/// Bytes that all pages may have together beyond what each may have.
const SPARE: usize = 8 * 1024 * 1024;
/// Most bytes that room is made for because an answer announces them.
const ANNOUNCED: usize = 16 * 1024 * 1024;

/// Bodies that were read and whose memory is kept for the next: blocks of many sizes that come and
/// go leave holes.
const KEPT: usize = 4;

/// The room for what is larger than expected.
#[derive(Debug)]
pub(crate) struct Spare {
    room: Arc<Semaphore>,
    kept: Mutex<Vec<Vec<u8>>>,
}

/// A part of that room; free again when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

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

impl Default for Spare {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(SPARE)), kept: Mutex::default() }
    }
}

impl Spare {
    /// Receives a body, of about `expected` bytes if it is not to be taken at any size.
    ///
    /// # Errors
    ///
    /// When it does not arrive as a whole, or is larger than there is room for.
    pub(crate) async fn receive(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
        expected: Option<usize>,
    ) -> Result<Body, Unreceived> {
        let mut held = Held::default();
        let announced = body.size_hint().exact().unwrap_or_default();
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        self.cover(announced, expected, &mut held)?;
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
            self.cover(unpacked.len().saturating_add(chunk.len()), expected, &mut held)?;
            unpacked.take_in(chunk)?;
        }
        let bytes = unpacked.end()?;
        self.cover(bytes.len(), expected, &mut held)?;
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

    /// Takes as much room as a body of `length` bytes needs.
    fn cover(
        &self,
        length: usize,
        expected: Option<usize>,
        held: &mut Held,
    ) -> Result<(), Unreceived> {
        let Some(expected) = expected else { return Ok(()) };
        let taken = held.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = length.saturating_sub(expected.max(SMALL)).saturating_sub(taken);
        let more = u32::try_from(more).map_err(|_| Unreceived::TooLarge)?;
        if more == 0 {
            return Ok(());
        }
        let room = Arc::clone(&self.room).try_acquire_many_owned(more);
        let room = room.map_err(|_| Unreceived::TooLarge)?;
        match &mut held.0 {
            Some(held) => held.merge(room),
            none => *none = Some(room),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_expected_shares_one_room() {
        let spare = Spare::default();
        let (mut one, mut other) = (Held::default(), Held::default());
        spare.cover(SMALL, Some(0), &mut one).unwrap();
        assert!(one.0.is_none(), "a small page takes none of it");
        spare.cover(SMALL + SPARE - 5, Some(0), &mut one).unwrap();
        spare.cover(SMALL + 5, Some(0), &mut other).unwrap();
        assert!(spare.cover(SMALL + 6, Some(0), &mut other).is_err());
        spare.cover(usize::MAX, None, &mut other).unwrap();
        drop(one);
        spare.cover(SMALL + SPARE, Some(0), &mut other).unwrap();
    }
}
