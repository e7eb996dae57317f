//! The objects of one resource, rendered, in the order of its list.

use std::panic::resume_unwind;
use std::thread;

use super::compose::Variant;
use super::element::SEPARATOR;
use super::ids::IdForm;
use super::template::Subject;

/// All objects of one resource: newest first, each as an element of a page, one after the other.
pub(crate) struct Store {
    form: IdForm,
    created: Vec<i64>,
    /// Where each object ends in its part, the separator left out.
    parts: Vec<Part>,
    per_part: usize,
}

/// A run of objects in one text, so that a page of neighbours is one copy.
#[derive(Default)]
struct Part {
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// Objects are rendered on this many threads.
const THREADS: usize = 2;

impl Store {
    /// Renders an object for each creation time; `created` is newest first.
    pub(crate) fn render(form: IdForm, created: Vec<i64>, variants: &[Variant], seed: u64) -> Self {
        let per_part = created.len().div_ceil(THREADS).max(1);
        let parts = thread::scope(|scope| {
            let started: Vec<_> = created
                .chunks(per_part)
                .enumerate()
                .map(|(part, times)| {
                    let (form, first) = (&form, part * per_part);
                    let oldest = created.len();
                    scope.spawn(move || render_part(form, times, oldest - first, variants, seed))
                })
                .collect();
            started
                .into_iter()
                .map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        Self { form, created, parts, per_part }
    }

    /// The creation times, newest first.
    pub(crate) fn created(&self) -> &[i64] {
        &self.created
    }

    /// How the ids of its objects are made.
    pub(crate) fn form(&self) -> &IdForm {
        &self.form
    }

    /// The object at a position, as it stands in a page.
    pub(crate) fn object(&self, position: usize) -> &[u8] {
        self.run(position, position + 1)
    }

    /// Writes the objects at these positions as they stand in a page, neighbours in one go.
    pub(crate) fn write_page(&self, positions: &[usize], out: &mut Vec<u8>) {
        for (at, run) in positions.chunk_by(|a, b| self.are_neighbours(*a, *b)).enumerate() {
            if at > 0 {
                out.extend_from_slice(SEPARATOR);
            }
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                out.extend_from_slice(self.run(*first, last + 1));
            }
        }
    }

    fn are_neighbours(&self, a: usize, b: usize) -> bool {
        a + 1 == b && a / self.per_part == b / self.per_part
    }

    /// The text from one position up to another of the same part.
    fn run(&self, from: usize, to: usize) -> &[u8] {
        let find = || {
            let part = self.parts.get(from / self.per_part)?;
            let start = match (from % self.per_part).checked_sub(1) {
                Some(before) => part.ends.get(before)? + SEPARATOR.len(),
                None => 0,
            };
            let end = part.ends.get((to - 1) % self.per_part)?;
            part.text.get(start..*end)
        };
        find().unwrap_or_default()
    }
}

/// Renders a run of objects; `after` is one more than the first one's number.
fn render_part(
    form: &IdForm,
    times: &[i64],
    after: usize,
    variants: &[Variant],
    seed: u64,
) -> Part {
    let mut part = Part::default();
    part.ends.reserve_exact(times.len());
    for (number, created) in (0..after).rev().zip(times) {
        let Some(variant) = number.checked_rem(variants.len()).and_then(|at| variants.get(at))
        else {
            break;
        };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let subject = Subject { form, number, created: *created, seed };
        variant.template.render(&subject, &mut part.text);
        part.ends.push(part.text.len());
        part.text.extend_from_slice(SEPARATOR);
    }
    part
}
