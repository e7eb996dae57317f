//! Confirmed states on their way back to a source that asked for them.
//!
//! The pipe never waits for a source that reads late. What waits for it is bounded: from
//! [`WAITING`] lines on, a state takes the place of the earlier one of the same stream, or of the
//! source as a whole, which it supersedes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::StateScope;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Lines that may wait before later ones replace earlier ones.
const WAITING: usize = 1024;

/// Lines written in one piece.
const PIECE: usize = 64;

/// A confirmed state: what it speaks for, and the line it came back as, `\n` included.
pub(super) type Confirmed = (StateScope, Vec<u8>);

/// The way back; what has not been written when it is dropped is lost.
#[derive(Debug)]
pub(super) struct Acks {
    shared: Arc<Shared>,
    _writing: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Confirmed>,
    fell_behind: bool,
    closed: bool,
}

impl Acks {
    /// Begins to write to a source's input.
    pub(super) fn start(input: impl AsyncWrite + Unpin + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let mut writing = JoinSet::new();
        writing.spawn(write(Arc::clone(&shared), input));
        Self { shared, _writing: writing }
    }

    /// Takes confirmed states in, in order; `true` once, when the source has fallen so far behind
    /// that it does not get all of them.
    pub(super) fn push(&self, confirmed: impl IntoIterator<Item = Confirmed>) -> bool {
        let mut queue = self.shared.lock();
        let before = queue.fell_behind;
        for (scope, line) in confirmed {
            queue.push(scope, line);
        }
        let fell_behind = queue.fell_behind && !before;
        drop(queue);
        self.shared.changed.notify_one();
        fell_behind
    }

    /// Nothing more comes: the source's input ends after what waits.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, scope: StateScope, line: Vec<u8>) {
        if self.lines.len() >= WAITING {
            self.fell_behind = true;
            self.lines.retain(|(earlier, _)| *earlier != scope);
        }
        self.lines.push_back((scope, line));
    }

    /// The next lines in one piece; `None` when there will be none.
    fn take(&mut self) -> Option<Vec<u8>> {
        let count = self.lines.len().min(PIECE);
        let piece = self.lines.drain(..count).flat_map(|(_, line)| line).collect::<Vec<u8>>();
        (!(piece.is_empty() && self.closed)).then_some(piece)
    }
}

async fn write(shared: Arc<Shared>, mut input: impl AsyncWrite + Unpin) {
    loop {
        let Some(piece) = shared.lock().take() else { return };
        if piece.is_empty() {
            shared.changed.notified().await;
        } else if input.write_all(&piece).await.is_err() || input.flush().await.is_err() {
            // A source that closed its input wants no more.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn state(stream: &str, number: usize) -> Confirmed {
        (StateScope::Stream(stream.to_owned()), format!("{stream}{number}\n").into_bytes())
    }

    #[tokio::test]
    async fn every_state_comes_back_in_order_and_then_the_end() {
        let (near, mut far) = tokio::io::duplex(16);
        let acks = Acks::start(near);
        assert!(!acks.push((0..200).map(|number| state("a", number))));
        acks.close();
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        let expected: Vec<String> = (0..200).map(|number| format!("a{number}")).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_waits_is_bounded_and_the_last_of_each_stream_is_kept() {
        let mut queue = Queue::default();
        for number in 0..WAITING * 3 {
            let stream = if number % 2 == 0 { "a" } else { "b" };
            let (scope, line) = state(stream, number);
            queue.push(scope, line);
        }
        assert!(queue.fell_behind);
        assert!(queue.lines.len() <= WAITING + 2);
        let last: Vec<Vec<u8>> = queue.lines.iter().rev().take(2).map(|(_, l)| l.clone()).collect();
        assert_eq!(last, [state("b", WAITING * 3 - 1).1, state("a", WAITING * 3 - 2).1]);
    }

    #[test]
    fn a_source_that_never_reads_is_told_of_once() {
        let acks = Acks { shared: Arc::default(), _writing: JoinSet::new() };
        let many = |from: usize| (from..from + WAITING + 1).map(|number| state("a", number));
        assert!(acks.push(many(0)));
        assert!(!acks.push(many(5000)));
    }
}
