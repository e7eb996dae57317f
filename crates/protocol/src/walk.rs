//! Where JSON values end, by the grammar: one pass over the bytes, nothing is built.
//!
//! The text holds no control characters (the caller has looked), so the only white space is the
//! blank, and a string needs no check but of its escapes. What is nested too deep for a walk that
//! calls itself is not judged: `None`, and whoever can must read it in another way.

use crate::marks::Marks;

/// Objects and arrays inside each other that a walk goes into.
const DEPTH: u8 = 128;

/// A member of an object by its places in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where its key's opening quote stands.
    pub(crate) start: usize,
    /// Behind the key's closing quote.
    pub(crate) key_end: usize,
    /// Where the value begins.
    pub(crate) value: usize,
    /// Behind the value.
    pub(crate) end: usize,
    /// Whether the key is written with escapes.
    pub(crate) is_escaped: bool,
}

/// A key that was passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_escaped: bool,
}

/// A text that is walked over; every method returns where what it passed ends.
#[derive(Debug)]
pub(crate) struct Walk<'t> {
    bytes: &'t [u8],
    /// Where its quotes and backslashes stand.
    marks: &'t Marks,
    /// Whether a `\u` escape was passed.
    pub(crate) saw_unicode_escape: bool,
}

impl<'t> Walk<'t> {
    pub(crate) const fn new(bytes: &'t [u8], marks: &'t Marks) -> Self {
        Self { bytes, marks, saw_unicode_escape: false }
    }

    /// The value that begins at `at`.
    pub(crate) fn value(&mut self, at: usize, depth: u8) -> Option<usize> {
        match self.bytes.get(at)? {
            b'"' => self.string(at).map(|(end, _)| end),
            b'{' if depth < DEPTH => self.members(at, |walk, _, at| walk.value(at, depth + 1)),
            b'[' if depth < DEPTH => self.array(at, depth + 1),
            b't' => self.word(at, b"true"),
            b'f' => self.word(at, b"false"),
            b'n' => self.word(at, b"null"),
            b'-' | b'0'..=b'9' => self.number(at),
            _ => None,
        }
    }

    /// The object that begins at `at`; `value` passes the value of each member, given its key and
    /// where the value begins.
    #[inline]
    pub(crate) fn members(
        &mut self,
        at: usize,
        mut value: impl FnMut(&mut Self, Key, usize) -> Option<usize>,
    ) -> Option<usize> {
        let mut at = self.skip(self.byte(at, b'{')?);
        if self.is(at, b'}') {
            return Some(at + 1);
        }
        loop {
            let start = at;
            let (end, is_escaped) = self.string(start)?;
            let begin = self.skip(self.byte(self.skip(end), b':')?);
            let end = value(self, Key { start, end, is_escaped }, begin)?;
            at = self.skip(end);
            match self.bytes.get(at)? {
                b',' => at = self.skip(at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn array(&mut self, at: usize, depth: u8) -> Option<usize> {
        let mut at = self.skip(at + 1);
        if self.is(at, b']') {
            return Some(at + 1);
        }
        loop {
            let end = self.value(at, depth)?;
            at = self.skip(end);
            match self.bytes.get(at)? {
                b',' => at = self.skip(at + 1),
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The string that begins at `at`, and whether it is written with escapes.
    #[inline]
    pub(crate) fn string(&mut self, at: usize) -> Option<(usize, bool)> {
        let mut at = self.byte(at, b'"')?;
        let mut is_escaped = false;
        loop {
            at = self.marks.next(at)?;
            if self.is(at, b'"') {
                return Some((at + 1, is_escaped));
            }
            is_escaped = true;
            at = self.escape(at + 1)?;
        }
    }

    #[cold]
    fn escape(&mut self, at: usize) -> Option<usize> {
        match self.bytes.get(at)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
            b'u' => {
                self.saw_unicode_escape = true;
                let digits = self.bytes.get(at + 1..at + 5)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
            }
            _ => None,
        }
    }

    fn number(&self, at: usize) -> Option<usize> {
        let at = at + usize::from(self.is(at, b'-'));
        let at = if self.is(at, b'0') { at + 1 } else { self.digits(at)? };
        let at = if self.is(at, b'.') { self.digits(at + 1)? } else { at };
        match self.bytes.get(at) {
            Some(b'e' | b'E') => {
                let is_signed = self.is(at + 1, b'-') || self.is(at + 1, b'+');
                self.digits(at + 1 + usize::from(is_signed))
            }
            _ => Some(at),
        }
    }

    /// At least one digit.
    fn digits(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    }

    fn word(&self, at: usize, word: &[u8]) -> Option<usize> {
        self.bytes.get(at..)?.starts_with(word).then_some(at + word.len())
    }

    fn byte(&self, at: usize, byte: u8) -> Option<usize> {
        self.is(at, byte).then_some(at + 1)
    }

    fn is(&self, at: usize, byte: u8) -> bool {
        self.bytes.get(at) == Some(&byte)
    }

    pub(crate) fn skip(&self, mut at: usize) -> usize {
        while self.is(at, b' ') {
            at += 1;
        }
        at
    }
}
