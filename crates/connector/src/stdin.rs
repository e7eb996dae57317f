//! Our stdin, read ahead: while one piece is worked on, the next is being read.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;

/// What came of one read.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// How many of them were read.
    count: usize,
}

/// What is read by a thread of its own, which a read that waits does not keep from ending with the
/// program.
pub(crate) struct ReadAhead {
    pieces: Receiver<io::Result<Piece>>,
    /// Where the memory of a piece goes that has been taken.
    spent: Sender<Piece>,
    piece: Piece,
    /// How much of the piece has been taken.
    taken: usize,
}

impl ReadAhead {
    /// Begins to read.
    pub(crate) fn stdin() -> Self {
        Self::of(io::stdin())
    }

    fn of(from: impl Read + Send + 'static) -> Self {
        let (sender, pieces) = channel(1);
        let (spent, returned) = channel(1);
        drop(spawn_blocking(move || read_all(from, &sender, returned)));
        Self { pieces, spent, piece: Piece::default(), taken: 0 }
    }
}

/// Reads until the end, a failure, or until nobody wants more.
fn read_all(
    mut from: impl Read,
    sender: &Sender<io::Result<Piece>>,
    mut returned: Receiver<Piece>,
) {
    loop {
        let mut bytes = returned.try_recv().unwrap_or_default().bytes;
        bytes.resize(PIECE, 0);
        let read = match from.read(&mut bytes) {
            Ok(0) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map(|count| Piece { bytes, count }),
        };
        let is_last = read.is_err();
        if sender.blocking_send(read).is_err() || is_last {
            return;
        }
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken == self.piece.count {
            let Some(piece) = ready!(self.pieces.poll_recv(context)) else {
                return Poll::Ready(Ok(()));
            };
            let spent = std::mem::replace(&mut self.piece, piece?);
            // Without its memory the reader takes new.
            drop(self.spent.try_send(spent));
            self.taken = 0;
        }
        let rest = self.piece.bytes.get(self.taken..self.piece.count).unwrap_or_default();
        let some = rest.get(..into.remaining()).unwrap_or(rest);
        into.put_slice(some);
        self.taken = self.taken.saturating_add(some.len());
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Gives what it is asked for in small portions, then fails or ends.
    struct Portions(u32, bool);

    impl Read for Portions {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_sub(1);
            match self.0 {
                0 if self.1 => Err(io::Error::other("away")),
                0 => Ok(0),
                number if number % 2 == 0 => Err(io::ErrorKind::Interrupted.into()),
                number => {
                    into[..3].fill(u8::try_from(number).unwrap());
                    Ok(3)
                }
            }
        }
    }

    #[tokio::test]
    async fn everything_comes_in_order_and_then_the_end_again_and_again() {
        let mut input = ReadAhead::of(Portions(6, false));
        let mut all = Vec::new();
        input.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [5, 5, 5, 3, 3, 3, 1, 1, 1]);
        assert_eq!(input.read(&mut [0; 9]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_failure_comes_after_what_was_read_before_it() {
        let mut input = ReadAhead::of(Portions(4, true));
        let mut all = Vec::new();
        let error = input.read_to_end(&mut all).await.unwrap_err();
        assert_eq!((all.as_slice(), error.to_string().as_str()), (&[3, 3, 3, 1, 1, 1][..], "away"));
    }

    #[tokio::test]
    async fn a_piece_is_taken_in_parts_where_there_is_little_room() {
        let mut input = ReadAhead::of(&b"abcdefg"[..]);
        let mut few = [0; 3];
        let mut all = Vec::new();
        let mut count = input.read(&mut few).await.unwrap();
        while count > 0 {
            all.extend_from_slice(&few[..count]);
            count = input.read(&mut few).await.unwrap();
        }
        assert_eq!(all, b"abcdefg");
    }
}
