//! A connection that looks share: it takes many questions at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pg::{Error, Pool, Pooled};
use tokio::sync::Mutex;

/// A connection on loan from a pool, kept while nobody else wants one.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    kept: Mutex<Option<Arc<Pooled>>>,
    /// How many wait for a connection of their own.
    wanted: AtomicUsize,
}

/// While this is there, the connection is not kept.
pub(crate) struct Wanted<'s>(&'s Seat);

impl Seat {
    pub(crate) async fn get(&self, pool: &Pool) -> Result<Arc<Pooled>, Error> {
        let mut place = self.kept.lock().await;
        if let Some(kept) = place.as_ref().filter(|kept| !kept.is_closed()) {
            return Ok(Arc::clone(kept));
        }
        let connection = Arc::new(pool.get().await?);
        let is_unwanted = self.wanted.load(Ordering::Relaxed) == 0;
        *place = is_unwanted.then(|| Arc::clone(&connection));
        Ok(connection)
    }

    /// Gives the connection back, as soon as every question to it is answered.
    pub(crate) fn leave(&self) -> Wanted<'_> {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        // A place that is locked is empty, and waits for a connection that it will not keep.
        if let Ok(mut place) = self.kept.try_lock() {
            drop(place.take());
        }
        Wanted(self)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, Ordering::Relaxed);
    }
}
