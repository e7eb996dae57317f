//! The last words of a child: what it wrote to stderr, bounded, secrets masked.

use std::collections::VecDeque;

/// Lines kept.
const LINES: usize = 20;

/// Bytes kept of a line.
const WIDTH: usize = 2048;

/// The last lines of a text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    partial: Vec<u8>,
}

impl Tail {
    /// Takes in a piece; returns the lines that it completed.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut parts = piece.split(|byte| *byte == b'\n');
        self.grow(parts.next().unwrap_or_default());
        let mut completed = Vec::new();
        for part in parts {
            completed.extend(self.complete());
            self.grow(part);
        }
        completed
    }

    /// The lines so far, an incomplete one included.
    pub(super) fn lines(&mut self) -> Vec<String> {
        self.complete();
        self.lines.iter().cloned().collect()
    }

    fn grow(&mut self, part: &[u8]) {
        let room = WIDTH.saturating_sub(self.partial.len());
        self.partial.extend(part.iter().take(room));
    }

    fn complete(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.partial);
        let line = protocol::secret::mask(String::from_utf8_lossy(&bytes).trim_end());
        if line.is_empty() {
            return None;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.clone());
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_stay_whatever_the_pieces() {
        let mut tail = Tail::default();
        for at in 0..100 {
            tail.push(format!("line {at}\nli").as_bytes());
            tail.push(b"ne\n\n");
        }
        tail.push(b"cut");
        let lines = tail.lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.last().unwrap(), "cut");
        assert_eq!(lines[LINES - 2], "line");
    }

    #[test]
    fn a_flood_without_a_line_end_is_bounded_and_secrets_are_masked() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 1000]);
        }
        assert_eq!(tail.lines().last().unwrap().len(), WIDTH);
        tail.push(b"key sk_live_abcdefghijkl1234 refused\n");
        assert_eq!(tail.lines().last().unwrap(), "key sk_live_…1234 refused");
    }
}
