//! An object with holes in it. Its text is composed once for many objects; rendering one is
//! copying the text and filling the holes.

use chrono::{DateTime, SecondsFormat};

use super::ids::{IdForm, letter};
use crate::mix::{below, mix};

/// A rendered text with holes, in Stripe's layout, indented as an element of a list.
#[derive(Debug, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
    /// Tells several templates of one object apart; 0 is the object itself.
    salt: u64,
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Hole(Hole),
}

/// What differs from object to object.
#[derive(Debug, Clone)]
pub(crate) enum Hole {
    /// The object's own id.
    OwnId,
    /// The id of one of `count` objects that exist; the same one wherever this object names one
    /// of that resource.
    IdOf { form: IdForm, count: u32 },
    /// The id of something that has no list here.
    NewId(IdForm),
    /// The object's creation time, this many seconds later.
    Created { later: i64 },
    /// The time at which it was last changed: so many seconds later, and before the account's
    /// objects end.
    Updated { later: i64, end: i64 },
    /// The object's creation time, as API v2 writes it.
    CreatedText,
    /// The object's amount, in the smallest unit.
    Amount,
    /// Letters and digits.
    Letters(usize),
    /// Digits.
    Digits(usize),
    /// A person's name.
    Name,
    /// That person's address.
    Email,
}

/// The object that a template is filled for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// How the ids of its resource are made.
    pub(crate) form: &'a IdForm,
    /// Its number in its resource, the oldest being 0.
    pub(crate) number: u32,
    /// Its creation time, in unix seconds.
    pub(crate) created: i64,
    /// The seed of its resource.
    pub(crate) seed: u64,
}

const FIRST_NAMES: [&str; 12] = [
    "Ada", "Björn", "Chloé", "Dmitri", "Elena", "Fatima", "Grace", "Hiro", "Inés", "Jan", "Kofi",
    "Łucja",
];
const LAST_NAMES: [&str; 12] = [
    "Adler",
    "Brandt",
    "Castro",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kovač",
    "Lindqvist",
];

impl Template {
    /// An empty template for a part of an object: what fills its holes differs with `salt`.
    pub(crate) fn salted(salt: u64) -> Self {
        Self { parts: Vec::new(), salt }
    }

    pub(crate) fn text(&mut self, text: &str) {
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            last.extend_from_slice(text.as_bytes());
        } else {
            self.parts.push(Part::Text(text.as_bytes().to_vec()));
        }
    }

    pub(crate) fn hole(&mut self, hole: Hole) {
        self.parts.push(Part::Hole(hole));
    }

    /// Writes the object to `out`.
    pub(crate) fn render(&self, subject: &Subject<'_>, out: &mut Vec<u8>) {
        let own = mix(&[subject.seed, u64::from(subject.number)]);
        let mut random = if self.salt == 0 { own } else { mix(&[own, self.salt]) };
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Hole(hole) => {
                    random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    fill(hole, subject, [own, random], out);
                }
            }
        }
    }
}

/// `own` is the same for all holes of an object, `random` differs from hole to hole.
fn fill(hole: &Hole, subject: &Subject<'_>, [own, random]: [u64; 2], out: &mut Vec<u8>) {
    match hole {
        Hole::OwnId => subject.form.write(subject.number, out),
        Hole::IdOf { form, count } => {
            let target = below(mix(&[own, u64::from(*count)]), u64::from(*count));
            form.write(u32::try_from(target).unwrap_or(0), out);
        }
        Hole::NewId(form) => form.write_new(mix(&[random]), out),
        Hole::Created { later } => decimal(subject.created.saturating_add(*later), out),
        Hole::Updated { later, end } => {
            let last = end.saturating_sub(1).max(subject.created);
            decimal(subject.created.saturating_add(*later).min(last), out);
        }
        Hole::CreatedText => out.extend_from_slice(time_text(subject.created).as_bytes()),
        Hole::Amount => decimal(100 + i64::try_from(below(own, 250_000)).unwrap_or(0), out),
        Hole::Letters(length) => letters(mix(&[random]), *length, out),
        Hole::Digits(length) => digits(mix(&[random]), *length, out),
        Hole::Name => {
            out.extend_from_slice(pick(&FIRST_NAMES, own).as_bytes());
            out.push(b' ');
            out.extend_from_slice(pick(&LAST_NAMES, own >> 16).as_bytes());
        }
        Hole::Email => {
            out.extend_from_slice(b"person.");
            decimal(i64::from(subject.number), out);
            out.extend_from_slice(b"@example.com");
        }
    }
}

/// A time in unix seconds as API v2 writes it.
pub(crate) fn time_text(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn pick(names: &[&'static str], random: u64) -> &'static str {
    let count = u64::try_from(names.len()).unwrap_or(1);
    let at = usize::try_from(below(random, count)).unwrap_or(0);
    names.get(at).copied().unwrap_or_default()
}

fn decimal(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// Writes `length` letters and digits that `random` decides.
pub(crate) fn letters(random: u64, length: usize, out: &mut Vec<u8>) {
    fill_with(random, length, out, |rest| (letter(rest % 62), rest / 62));
}

fn digits(random: u64, length: usize, out: &mut Vec<u8>) {
    fill_with(random, length, out, |rest| (letter(rest % 10), rest / 10));
}

/// Ten characters from each random number, so that each still has bits left.
fn fill_with(random: u64, length: usize, out: &mut Vec<u8>, next: impl Fn(u64) -> (u8, u64)) {
    let mut rest = random;
    for at in 0..length {
        if at % 10 == 9 {
            rest = mix(&[random, rest]);
        }
        let (byte, remaining) = next(rest);
        out.push(byte);
        rest = remaining;
    }
}
