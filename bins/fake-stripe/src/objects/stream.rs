//! One resource: its facts, the objects that were made up, and what became of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use stripe_api::StreamFacts;

use super::compose::Variant;
use super::element;
use super::history::{History, Seen};
use super::store::Store;
use super::template::Subject;

/// Statuses that a list leaves out unless it is asked for them.
const HIDDEN: [(&str, &str); 2] = [("subscriptions", "canceled"), ("tax_registrations", "expired")];

/// As late as can be: what is current.
pub(crate) const NOW: i64 = i64::MAX;

/// One resource and its objects.
pub(crate) struct Stream {
    pub(crate) facts: &'static StreamFacts,
    /// The statuses that its objects can have.
    pub(crate) statuses: Vec<String>,
    pub(crate) store: Store,
    /// The ways its objects look; object `n` looks the n-th way, in turn.
    pub(crate) variants: Vec<Variant>,
    pub(crate) seed: u64,
    pub(crate) history: RwLock<History>,
}

/// A resource as it was at a moment. Positions count from the newest object, which is 0, and
/// include objects that are not there (yet, or any more).
pub(crate) struct View<'a> {
    pub(crate) stream: &'a Stream,
    history: RwLockReadGuard<'a, History>,
    /// In milliseconds.
    moment: i64,
    /// Objects that were added before this, in unix seconds, are not kept.
    kept_since: i64,
}

impl Stream {
    /// The resource as it is.
    pub(crate) fn now(&self) -> View<'_> {
        self.at(NOW)
    }

    /// The resource as it was at a moment, in milliseconds.
    pub(crate) fn at(&self, moment: i64) -> View<'_> {
        let history = self.history.read().unwrap_or_else(PoisonError::into_inner);
        View { stream: self, history, moment, kept_since: i64::MIN }
    }

    /// Its history, to change it.
    pub(crate) fn change(&self) -> RwLockWriteGuard<'_, History> {
        self.history.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn variant(&self, number: usize) -> Option<&Variant> {
        self.variants.get(number.checked_rem(self.variants.len())?)
    }

    /// A new object with its lists whole; none if it cannot be made up.
    pub(crate) fn make(&self, number: usize, created: i64) -> Option<Value> {
        let mut text = Vec::new();
        self.variant(number)?.template.render(&self.subject(number, created), &mut text);
        let mut object = element::read(&text);
        element::complete(&mut object, self.rest(number, created));
        object.is_object().then_some(object)
    }

    /// The id of the object with that number.
    pub(crate) fn id(&self, number: usize) -> String {
        let mut id = Vec::new();
        self.store.form().write(u32::try_from(number).unwrap_or(u32::MAX), &mut id);
        String::from_utf8_lossy(&id).into_owned()
    }

    /// Of a made-up object's lists, by name: the elements that do not fit.
    fn rest(&self, number: usize, created: i64) -> BTreeMap<&str, Vec<Value>> {
        let subject = self.subject(number, created);
        let rest = self.variant(number).map(|variant| &variant.rest);
        let lists = rest.into_iter().flatten().map(|(name, elements)| {
            let elements = elements.iter().map(|template| {
                let mut text = Vec::new();
                template.render(&subject, &mut text);
                element::read(&text)
            });
            (name.as_str(), elements.collect())
        });
        lists.collect()
    }

    fn subject(&self, number: usize, created: i64) -> Subject<'_> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Subject { form: self.store.form(), number, created, seed: self.seed }
    }
}

impl View<'_> {
    /// The same without the objects that were added before a time, in unix seconds.
    pub(crate) fn kept_since(self, kept_since: i64) -> Self {
        Self { kept_since, ..self }
    }

    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        self.stream.store.created().len() + self.history.added().len()
    }

    /// The moment it shows, in milliseconds.
    pub(crate) fn moment(&self) -> i64 {
        self.moment
    }

    /// Where the object with that id stands, if there ever was one.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        let number = usize::try_from(self.stream.store.form().read(id)?).ok()?;
        self.len().checked_sub(number + 1)
    }

    /// The id of the object at a position.
    pub(crate) fn id(&self, position: usize) -> String {
        self.stream.id(self.number(position))
    }

    /// The number of the object at a position: the oldest is 0.
    pub(crate) fn number(&self, position: usize) -> usize {
        self.len().saturating_sub(position + 1)
    }

    /// When the object at a position was created, in unix seconds.
    pub(crate) fn created(&self, position: usize) -> i64 {
        let added = self.history.added();
        let time = match position.checked_sub(added.len()) {
            Some(made) => self.stream.store.created().get(made),
            None => added.get(added.len() - 1 - position),
        };
        time.copied().unwrap_or(0)
    }

    /// The positions of the objects created in a range of time.
    pub(crate) fn in_time(&self, range: &Range<i64>) -> Range<usize> {
        let first = |end| first_where(self.len(), |position| self.created(position) < end);
        first(range.end)..first(range.start)
    }

    /// Whether the object at a position is there.
    pub(crate) fn is_there(&self, position: usize) -> bool {
        match self.seen(position) {
            Seen::Unborn => false,
            Seen::AsMade => true,
            Seen::Changed(version) => !version.deleted && self.is_kept(position),
        }
    }

    fn is_kept(&self, position: usize) -> bool {
        let is_added = position < self.history.added().len();
        !is_added || self.created(position) >= self.kept_since
    }

    /// Whether the object at a position was there and is deleted.
    pub(crate) fn is_deleted(&self, position: usize) -> bool {
        matches!(self.seen(position), Seen::Changed(version) if version.deleted)
    }

    /// The status of the object at a position.
    pub(crate) fn status(&self, position: usize) -> Option<&str> {
        match self.seen(position) {
            Seen::Unborn => None,
            Seen::AsMade => self.stream.variant(self.number(position))?.status.as_deref(),
            Seen::Changed(version) => element::text_property(&version.shown, "status"),
        }
    }

    /// Whether a list that is asked for no status shows the object at a position.
    pub(crate) fn is_shown_by_default(&self, position: usize) -> bool {
        let hidden = HIDDEN.iter().find(|(stream, _)| *stream == self.stream.facts.name);
        hidden.is_none_or(|(_, status)| self.status(position) != Some(*status))
    }

    /// The object at a position, as it stands in a page; of a deleted one what it was last.
    pub(crate) fn object(&self, position: usize) -> &[u8] {
        match self.seen(position) {
            Seen::Unborn => &[],
            Seen::AsMade => self.stream.store.object(position - self.history.added().len()),
            Seen::Changed(version) => &version.shown,
        }
    }

    /// The same with all elements of the lists inside it.
    pub(crate) fn whole(&self, position: usize) -> Value {
        if let Seen::Changed(version) = self.seen(position) {
            return element::read(version.whole.as_ref().unwrap_or(&version.shown));
        }
        let mut object = element::read(self.object(position));
        let rest = self.stream.rest(self.number(position), self.created(position));
        element::complete(&mut object, rest);
        object
    }

    /// Writes the objects at these positions as they stand in a page.
    pub(crate) fn write_page(&self, positions: &[usize], out: &mut Vec<u8>) {
        if self.history.is_empty() {
            self.stream.store.write_page(positions, out);
            return;
        }
        for (at, position) in positions.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(element::SEPARATOR);
            }
            out.extend_from_slice(self.object(*position));
        }
    }

    fn seen(&self, position: usize) -> Seen<'_> {
        let made = self.stream.store.created().len();
        self.history.at(self.number(position), made, self.moment)
    }
}

/// The first of `count` positions where something is true that stays true from there on.
fn first_where(count: usize, is_true: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_true(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
