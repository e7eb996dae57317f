//! What comes in on stdin while a source reads: acknowledged states, and events.

use std::io::IsTerminal as _;

use protocol::ndjson::Reader;
use tokio::io::AsyncRead;

use crate::error::Error;

/// The lines on stdin, for a source that wants them.
///
/// Nothing is read before [`Input::next`] is called, and then one chunk at a time: who writes faster
/// than the source takes waits. A read that is still waiting does not hold up the end of the program.
pub struct Input {
    reader: Reader<Box<dyn AsyncRead + Send + Unpin>>,
    is_terminal: bool,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("line", &self.line_number()).finish_non_exhaustive()
    }
}

impl Input {
    /// The lines of any stream of bytes.
    pub fn new(from: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { reader: Reader::new(Box::new(from)), is_terminal: false }
    }

    /// The lines on the process's stdin.
    pub(crate) fn stdin() -> Self {
        let is_terminal = std::io::stdin().is_terminal();
        Self { is_terminal, ..Self::new(tokio::io::stdin()) }
    }

    /// No lines at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(tokio::io::empty())
    }

    /// Whether somebody types it. No host is there then that confirms anything, and who reads from a
    /// terminal in the background is halted by the system.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Number of the line that was returned last, from 1.
    #[must_use]
    pub const fn line_number(&self) -> u64 {
        self.reader.line_number()
    }

    /// The next line that is not blank, without its `\n`; `None` at the end, and at once on every call
    /// after it. It may be dropped while it waits and called again: no line is lost.
    ///
    /// # Errors
    ///
    /// When a line is cut off, too long, or cannot be read.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        self.reader.next().await.map_err(|error| Error::data("reading stdin").caused_by(error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_and_then_the_end_again_and_again() {
        let mut input = Input::new(&b"{\"a\":1}\n\n{\"b\":2}\n"[..]);
        assert_eq!(input.next().await.unwrap(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(input.next().await.unwrap(), Some(&b"{\"b\":2}"[..]));
        assert_eq!(input.line_number(), 3);
        for _ in 0..3 {
            assert_eq!(input.next().await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_cut_line_is_an_error_that_shows_it() {
        let mut input = Input::new(&b"{}\n{\"type\":"[..]);
        assert!(input.next().await.unwrap().is_some());
        let error = input.next().await.unwrap_err().report();
        assert_eq!(
            error,
            r#"reading stdin: line 2 was cut off at the end of the stream: `{"type":`"#
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_dropped_loses_nothing() {
        let (mut write, read) = tokio::io::duplex(64);
        let mut input = Input::new(read);
        write.write_all(b"{\"half\"").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(1), input.next()).await.is_err());
        write.write_all(b":1}\n").await.unwrap();
        assert_eq!(input.next().await.unwrap(), Some(&b"{\"half\":1}"[..]));
    }

    #[tokio::test]
    async fn nothing_is_read_before_it_is_asked_for() {
        let (mut write, read) = tokio::io::duplex(4);
        let mut input = Input::new(read);
        write.write_all(b"{}\n{").await.unwrap();
        // The pipe is full, and stays so until a line was asked for.
        assert!(write.write_all(b"}").now_or_never().is_none());
        assert_eq!(input.next().await.unwrap(), Some(&b"{}"[..]));
        assert!(write.write_all(b"}").now_or_never().is_some());
    }
}
