//! The live view: a few lines at the end of a terminal, drawn anew while a run goes on.

use std::io::Write as _;

use engine::{Opening, Shown};
use protocol::{Level, Message, Progress, StreamStatusKind, Timestamp};

use super::picture::{Picture, Size};
use super::plain::{Plain, Volume, opening_line};

/// Shortest time between two drawings, in milliseconds.
const EVERY: i64 = 100;

/// Draws where a run stands; what stays to be read is written above.
#[derive(Debug)]
pub(crate) struct Live {
    plain: Plain,
    picture: Picture,
    /// Widths of the lines that are drawn now.
    drawn: Vec<usize>,
    last: Option<Timestamp>,
}

impl Live {
    /// A view with or without colour.
    pub(crate) fn new(colour: bool) -> Self {
        Self {
            plain: Plain::new(Volume::Quiet),
            picture: Picture::new(colour),
            drawn: Vec::new(),
            last: None,
        }
    }

    pub(super) fn open(&mut self, opening: &Opening) {
        self.erase();
        self.picture.open(opening);
        crate::say(&opening_line(opening));
    }

    pub(super) fn show(&mut self, shown: &Shown<'_>) {
        let Some(message) = shown.message else { return };
        if stays(message) {
            self.erase();
            self.plain.show(shown);
            // What was erased comes back with the next progress, however soon that is.
            self.last = None;
        }
        match message {
            Message::Progress(progress) => self.progress(progress, shown.ts),
            Message::Eof(_) => self.erase(),
            Message::Log(log) if log.level == Level::Info => self.picture.note(&log.message),
            Message::Log(_)
            | Message::StreamStatus(_)
            | Message::Spec(_)
            | Message::ConnectionStatus(_)
            | Message::Catalog(_)
            | Message::SourceState(_)
            | Message::Control(_) => {}
        }
    }

    fn progress(&mut self, progress: &Progress, ts: Timestamp) {
        self.picture.measure(progress, ts);
        let since = self.last.map(|last| ts.millis().saturating_sub(last.millis()));
        if since.is_some_and(|since| since < EVERY) {
            return;
        }
        self.last = Some(ts);
        let Some(size) = size() else { return };
        let lines = self.picture.lines(progress, size);
        let mut text = self.back(size.columns);
        for line in &lines {
            text.push_str(&line.text);
            text.push('\n');
        }
        self.drawn = lines.iter().map(|line| line.width).collect();
        write(&text);
    }

    fn erase(&mut self) {
        if !self.drawn.is_empty() {
            let columns = size().map_or(80, |size| size.columns);
            write(&self.back(columns));
            self.drawn.clear();
        }
    }

    /// Goes back to where the drawing began and clears from there. A terminal that became narrower
    /// has broken the lines.
    fn back(&self, columns: usize) -> String {
        let rows = |width: &usize| width.div_ceil(columns.max(1)).max(1);
        let up: usize = self.drawn.iter().map(rows).sum();
        if up == 0 { String::new() } else { format!("\r\x1b[{up}A\x1b[J") }
    }
}

/// Whether a message is to be read later too.
fn stays(message: &Message) -> bool {
    match message {
        Message::Log(log) => log.level >= Level::Warn,
        Message::StreamStatus(status) => matches!(status.kind, StreamStatusKind::Error { .. }),
        Message::Spec(_)
        | Message::ConnectionStatus(_)
        | Message::Catalog(_)
        | Message::SourceState(_)
        | Message::Control(_)
        | Message::Progress(_)
        | Message::Eof(_) => false,
    }
}

fn size() -> Option<Size> {
    let (width, height) = terminal_size::terminal_size_of(std::io::stderr())?;
    Some(Size { columns: usize::from(width.0), rows: usize::from(height.0) })
}

/// In one piece, so that no half of a drawing is seen.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // When the terminal is gone nobody looks.
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_counted() {
        let live = Live { drawn: vec![10, 79, 0], ..Live::new(false) };
        assert_eq!(live.back(80), "\r\x1b[3A\x1b[J");
        assert_eq!(live.back(40), "\r\x1b[4A\x1b[J");
        assert_eq!(Live::new(false).back(80), "");
    }
}
