//! Copying JSON without the white space between its tokens, and checking it on the way.
//!
//! One walk, no tree: every token goes to the output byte for byte as it came. What is not JSON ends
//! in an error, so that a cut or garbled body never becomes a record.

use std::ops::Range;

/// Why a body is not what it should be: one clause for an error message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Where a token or value stands in the output.
pub(crate) type Span = Range<usize>;

/// Bytes that are looked at together.
const WORD: usize = 8;
/// Bytes in which most tokens fit: so many are copied at once, which takes no call, and cut back.
const SHORT: usize = 32;
/// A word with 1 in each of its bytes.
const ONES: u64 = u64::MAX / 0xff;
/// A word with the highest bit of each of its bytes.
const HIGHS: u64 = ONES << 7;
/// A word of spaces.
const SPACES: u64 = ONES * 0x20;

/// Walks over JSON text and copies what it passes to `out`.
#[derive(Debug)]
pub(crate) struct Copier<'a> {
    text: &'a [u8],
    at: usize,
    /// What was copied so far; callers add to it and cut it back.
    pub(crate) out: Vec<u8>,
    open: Vec<u8>,
}

impl<'a> Copier<'a> {
    /// Begins at the start of `text`, with room for `capacity` bytes of output.
    pub(crate) fn new(text: &'a str, capacity: usize) -> Self {
        let out = Vec::with_capacity(capacity);
        Self { text: text.as_bytes(), at: 0, out, open: Vec::new() }
    }

    /// The next byte that is no white space, not yet passed; `None` at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.pass_blanks() }
    }

    /// Passes white space: in pretty-printed JSON a line break and many spaces.
    #[inline]
    fn pass_blanks(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
            let mut spaces = WORD;
            while spaces == WORD {
                spaces = word(self.text, self.at).map_or(0, |word| bytes_before(word ^ SPACES));
                self.at += spaces;
            }
        }
    }

    /// Passes one byte that has to come next, without copying it.
    pub(crate) fn pass(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.broken(&format!("`{}` was expected", char::from(byte))))
    }

    /// Copies one byte that has to come next.
    #[inline]
    pub(crate) fn copy(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(self.broken(&format!("`{}` was expected", char::from(byte))));
        }
        self.at += 1;
        self.out.push(byte);
        Ok(())
    }

    /// Copies a comma, or the byte that closes what is open; says whether it goes on.
    #[inline]
    pub(crate) fn comma_or(&mut self, close: u8) -> Result<bool, Malformed> {
        let next = self.peek();
        if next != Some(b',') && next != Some(close) {
            return Err(self.broken(&format!("`,` or `{}` was expected", char::from(close))));
        }
        self.at += 1;
        self.out.push(if next == Some(close) { close } else { b',' });
        Ok(next != Some(close))
    }

    /// Copies a string; the span has its quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Span, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(self.broken("a string was expected"));
        }
        let from = self.at;
        self.at += 1;
        loop {
            self.at = plain_until(self.text, self.at);
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.broken("a string holds a control character")),
                None => {
                    self.at = from + 1;
                    return Err(self.broken("it ends inside a string"));
                }
            }
        }
        self.at += 1;
        Ok(self.append(from))
    }

    /// Copies a whole value, whatever it is, however deep it goes.
    pub(crate) fn value(&mut self) -> Result<Span, Malformed> {
        let start = self.out.len();
        self.open.clear();
        loop {
            if self.opens()? {
                continue;
            }
            if self.closes()? {
                return Ok(start..self.out.len());
            }
        }
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(self.broken("something follows it")) }
    }

    /// An error that says where it happened.
    pub(crate) fn broken(&self, why: &str) -> Malformed {
        if self.at >= self.text.len() {
            return Malformed::new(format!("a body that was cut after {} bytes", self.text.len()));
        }
        Malformed::new(format!("a body that is no JSON: at byte {}, {why}", self.at))
    }

    /// Passes the start of a value: true when it opened something that has a member to come.
    #[inline]
    fn opens(&mut self) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| false),
            Some(b'{') => self.container(b'{', b'}'),
            Some(b'[') => self.container(b'[', b']'),
            Some(b't') => self.literal(*b"true"),
            Some(b'f') => self.literal(*b"false"),
            Some(b'n') => self.literal(*b"null"),
            _ => self.number().map(|()| false),
        }
    }

    fn container(&mut self, open: u8, close: u8) -> Result<bool, Malformed> {
        self.at += 1;
        self.out.push(open);
        if self.peek() == Some(close) {
            self.at += 1;
            self.out.push(close);
            return Ok(false);
        }
        self.open.push(close);
        self.key_within(close).map(|()| true)
    }

    /// Passes what follows a value: true when nothing is open any more.
    #[inline]
    fn closes(&mut self) -> Result<bool, Malformed> {
        while let Some(close) = self.open.last().copied() {
            if self.comma_or(close)? {
                return self.key_within(close).map(|()| false);
            }
            self.open.pop();
        }
        Ok(true)
    }

    /// Copies a member's key, if what `close` ends has keys.
    #[inline]
    fn key_within(&mut self, close: u8) -> Result<(), Malformed> {
        if close == b']' {
            return Ok(());
        }
        self.string()?;
        self.copy(b':')
    }

    #[inline]
    fn literal<const N: usize>(&mut self, word: [u8; N]) -> Result<bool, Malformed> {
        if self.text.get(self.at..).and_then(<[u8]>::first_chunk) != Some(&word) {
            return Err(self.broken("a value was expected"));
        }
        self.at += N;
        self.out.extend_from_slice(&word);
        Ok(false)
    }

    #[inline]
    fn number(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        let rest = self.text.get(from..).unwrap_or_default();
        let length = rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        if !is_number(rest.get(..length).unwrap_or_default()) {
            return Err(self.broken("a value was expected"));
        }
        self.at += length;
        self.append(from);
        Ok(())
    }

    /// Passes a backslash and what follows it.
    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u')
                if rest.get(1..5).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                5
            }
            _ => return Err(self.broken("a string holds an escape that is none")),
        };
        self.at += length;
        Ok(())
    }

    /// Copies what was passed since `from`.
    #[inline]
    fn append(&mut self, from: usize) -> Span {
        let start = self.out.len();
        let rest = self.text.get(from..).unwrap_or_default();
        let length = self.at - from;
        match rest.first_chunk::<SHORT>() {
            Some(short) if length <= SHORT => {
                self.out.extend_from_slice(short);
                self.out.truncate(start + length);
            }
            _ => self.out.extend_from_slice(rest.get(..length).unwrap_or_default()),
        }
        start..self.out.len()
    }
}

/// The word that begins at `at`, if so much is there.
#[inline]
fn word(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk::<WORD>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// How many bytes of a word come before the first that is not 0.
#[inline]
const fn bytes_before(word: u64) -> usize {
    (word.trailing_zeros() / u8::BITS) as usize
}

/// Where the first byte from `at` on stands that ends a part of a string: a quote, a backslash or a
/// control character; the end of the text if there is none.
#[inline]
fn plain_until(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(text, at) {
        let plain = bytes_before(ends(word));
        at += plain;
        if plain < WORD {
            return at;
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count()
}

/// Marks the first byte of a word that is a quote, a backslash or a control character by its highest
/// bit. Bytes behind that may be marked wrongly: a borrow goes upwards.
#[inline]
const fn ends(word: u64) -> u64 {
    let (quote, escape) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let escapes = escape.wrapping_sub(ONES) & !escape;
    let controls = word.wrapping_sub(SPACES) & !word;
    (quotes | escapes | controls) & HIGHS
}

/// Whether a token is a number as JSON writes them.
fn is_number(token: &[u8]) -> bool {
    let unsigned = token.strip_prefix(b"-").unwrap_or(token);
    let (whole, rest) = split_digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return false;
    }
    let rest = match rest.strip_prefix(b".").map(split_digits) {
        Some(([], _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    let Some((b'e' | b'E', exponent)) = rest.split_first() else {
        return rest.is_empty();
    };
    let digits = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
    let (digits, rest) = split_digits(digits);
    !digits.is_empty() && rest.is_empty()
}

fn split_digits(token: &[u8]) -> (&[u8], &[u8]) {
    let count = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    token.split_at(count)
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
