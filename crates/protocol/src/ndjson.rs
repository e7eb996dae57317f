//! Framing: one message a line, a line cut in half is an error, a clean end falls between lines.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest line that is read, in bytes, unless told otherwise.
pub const DEFAULT_LINE_LIMIT: usize = 64 * 1024 * 1024;

/// How much is asked for at a time, in bytes.
const CHUNK: usize = 256 * 1024;

/// Why no further line could be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream ended inside a line.
    #[error("line {line} was cut off at the end of the stream: `{head}`")]
    Cut {
        /// Number of the line, from 1.
        line: u64,
        /// Its first bytes, secrets masked.
        head: String,
    },
    /// A line longer than the limit.
    #[error("line {line} is longer than {limit} bytes")]
    TooLong {
        /// Number of the line, from 1.
        line: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The stream itself failed.
    #[error("reading line {line}")]
    Io {
        /// Number of the line, from 1.
        line: u64,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// Reads lines from a stream of bytes; blank lines are skipped.
///
/// Memory is one chunk and the longest line so far. [`Reader::next`] may be dropped while it waits
/// and called again: nothing that was read is lost.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no line end.
    scanned: usize,
    line: u64,
    limit: usize,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// A reader with the default limit.
    pub fn new(inner: R) -> Self {
        Self::with_limit(inner, DEFAULT_LINE_LIMIT)
    }

    /// A reader that refuses lines over `limit` bytes.
    pub fn with_limit(inner: R, limit: usize) -> Self {
        Self {
            inner,
            buffer: Vec::with_capacity(CHUNK),
            start: 0,
            scanned: 0,
            line: 0,
            limit,
            ended: false,
        }
    }

    /// Number of the line that was returned last, from 1.
    pub const fn line_number(&self) -> u64 {
        self.line
    }

    /// The next line without its `\n`, or `None` at a clean end.
    ///
    /// # Errors
    ///
    /// See [`FrameError`]; after one, nothing more is read.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        loop {
            if let Some((from, to)) = self.take_line()? {
                return Ok(self.buffer.get(from..to));
            }
            self.check_length(self.buffer.len().saturating_sub(self.start))?;
            if self.ended {
                return self.at_end();
            }
            self.fill().await?;
        }
    }

    /// Whether another whole line that is not blank is in memory, so that [`Reader::next`] would not
    /// wait.
    pub fn has_line(&mut self) -> bool {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', rest) else {
                self.scanned = self.buffer.len();
                return false;
            };
            self.scanned = self.scanned.saturating_add(at);
            if !self.buffer.get(self.start..self.scanned).is_some_and(is_blank) {
                return true;
            }
            self.pass_line();
        }
    }

    /// Where the next line that is not blank lies, if it is in memory whole.
    fn take_line(&mut self) -> Result<Option<(usize, usize)>, FrameError> {
        if !self.has_line() {
            return Ok(None);
        }
        let (from, to) = (self.start, self.scanned);
        self.check_length(to.saturating_sub(from))?;
        self.pass_line();
        Ok(Some((from, to)))
    }

    /// Goes behind the line that was found.
    const fn pass_line(&mut self) {
        self.start = self.scanned.saturating_add(1);
        self.scanned = self.start;
        self.line = self.line.saturating_add(1);
    }

    const fn check_length(&self, length: usize) -> Result<(), FrameError> {
        if length > self.limit {
            return Err(FrameError::TooLong {
                line: self.line.saturating_add(1),
                limit: self.limit,
            });
        }
        Ok(())
    }

    fn at_end(&self) -> Result<Option<&[u8]>, FrameError> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        if is_blank(rest) {
            return Ok(None);
        }
        Err(FrameError::Cut { line: self.line.saturating_add(1), head: crate::excerpt(rest) })
    }

    async fn fill(&mut self) -> Result<(), FrameError> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        if self.buffer.capacity().saturating_sub(self.buffer.len()) < CHUNK / 2 {
            self.buffer.reserve(CHUNK);
        }
        let line = self.line.saturating_add(1);
        let count = self
            .inner
            .read_buf(&mut self.buffer)
            .await
            .map_err(|source| FrameError::Io { line, source })?;
        self.ended = count == 0;
        Ok(())
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn lines(input: &[u8], limit: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
        let mut reader = Reader::with_limit(input, limit);
        let mut out = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(line)) => out.push(line.to_vec()),
                Ok(None) => return (out, None),
                Err(error) => return (out, Some(error)),
            }
        }
    }

    fn run(input: &[u8], limit: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(lines(input, limit))
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        let (lines, error) = run(b"{}\n\n  \r\n[]\n", 10);
        assert_eq!(lines, [b"{}", b"[]"]);
        assert!(error.is_none());
    }

    #[tokio::test]
    async fn a_blank_line_is_none_that_another_could_be_waited_for_behind() {
        let mut reader = Reader::new(&b"{}\n \n\n[]\n\n\n"[..]);
        assert_eq!(reader.next().await.unwrap(), Some(&b"{}"[..]));
        assert!(reader.has_line(), "the blank ones are passed");
        assert_eq!(reader.next().await.unwrap(), Some(&b"[]"[..]));
        assert_eq!(reader.line_number(), 4);
        assert!(!reader.has_line(), "only blank ones are left");
    }

    #[test]
    fn a_cut_line_is_no_clean_end() {
        let (lines, error) = run(b"{}\n{\"type\":", 100);
        assert_eq!(lines, [b"{}"]);
        let text = error.unwrap().to_string();
        assert_eq!(text, r#"line 2 was cut off at the end of the stream: `{"type":`"#);
    }

    #[test]
    fn a_line_over_the_limit_is_an_error_before_it_is_in_memory() {
        let (lines, error) = run(b"{}\n12345678901\n", 10);
        assert_eq!(lines.len(), 1);
        assert!(matches!(error, Some(FrameError::TooLong { limit: 10, .. })), "{error:?}");
    }

    proptest! {
        #[test]
        fn lines_come_out_as_they_went_in(
            parts in proptest::collection::vec("[a-z{}\":,]{1,40}", 0..50),
        ) {
            let input: String = parts.iter().map(|part| format!("{part}\n")).collect();
            let (lines, error) = run(input.as_bytes(), 1000);
            prop_assert!(error.is_none());
            let expected: Vec<Vec<u8>> = parts.iter().map(|p| p.clone().into_bytes()).collect();
            prop_assert_eq!(lines, expected);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (lines, _) = run(&input, 50);
            for line in lines {
                drop(crate::Line::parse(&line));
            }
        }
    }
}
