//! Where the quotes and backslashes of a text stand, a bit for each byte: found for many bytes at
//! once, so that the end of a string is a question of a few bits.

/// Bytes that one word of bits speaks for.
const WIDTH: usize = 64;

/// The places of one text; the memory serves for the next.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// Looks over a text.
    pub(crate) fn find(&mut self, text: &[u8]) {
        let (whole, rest) = text.as_chunks::<WIDTH>();
        self.words.clear();
        self.words.extend(whole.iter().map(word));
        let mut last = [b' '; WIDTH];
        if let Some(head) = last.get_mut(..rest.len()) {
            head.copy_from_slice(rest);
            self.words.push(word(&last));
        }
    }

    /// The first quote or backslash at a place or behind it.
    #[inline]
    pub(crate) fn next(&self, at: usize) -> Option<usize> {
        let mut index = at / WIDTH;
        let mut word = self.words.get(index)? >> (at % WIDTH);
        let mut from = at;
        while word == 0 {
            index += 1;
            word = *self.words.get(index)?;
            from = index * WIDTH;
        }
        Some(from + word.trailing_zeros() as usize)
    }
}

/// The bits of 64 bytes. The comparison is made for many bytes at once by the compiler; eight of its
/// answers, 0 or 1, are brought together by one multiplication.
fn word(bytes: &[u8; WIDTH]) -> u64 {
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    let marked = bytes.map(|byte| u8::from(byte == b'"') | u8::from(byte == b'\\'));
    let (eights, _) = marked.as_chunks::<8>();
    let bits = eights.iter().map(|eight| u64::from_le_bytes(*eight).wrapping_mul(TOGETHER) >> 56);
    bits.rev().fold(0, |word, bits| word << 8 | bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mark_is_found_and_nothing_else(
            text in proptest::collection::vec(prop::sample::select(b"\"\\a{\x80\xff".to_vec()), 0..300),
            at in 0..310_usize,
        ) {
            let mut marks = Marks::default();
            marks.find(b"\"\"\"\"");
            marks.find(&text);
            let rest = text.get(at..).unwrap_or_default();
            let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(marks.next(at), found.map(|found| at + found));
        }
    }
}
