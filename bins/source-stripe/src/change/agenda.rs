//! What a poll reads next: first those who lag behind, then all. Pure.

use super::places::GlobalState;
use super::slices::Slices;

/// Event types that one request may name (<https://docs.stripe.com/api/events/list>).
const MOST_TYPES: usize = 20;

/// A stream that takes part in a poll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The event types that tell of it.
    pub(crate) types: &'a [String],
}

/// A part of `/v1/events` to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The lagging streams that it is for; none of them: it is for all the others.
    pub(crate) lagging: Vec<String>,
    /// The types to ask for; all if there are none.
    pub(crate) types: Vec<String>,
    /// The slices of time.
    pub(crate) slices: Slices,
}

impl Reading {
    /// The next part for these streams. `overlap` is in seconds.
    pub(crate) fn next(global: &GlobalState, members: &[Member<'_>], overlap: i64) -> Self {
        let cursor = global.events_cursor;
        let behind = members.iter().filter(|member| global.place(member.name) < cursor);
        let Some(first) = behind.clone().min_by_key(|member| global.place(member.name)) else {
            let types = some(members.iter());
            return Self { lagging: Vec::new(), types, slices: Slices::new(cursor, overlap, None) };
        };
        let place = global.place(first.name);
        let same = behind.filter(|member| global.place(member.name) == place);
        let together: Vec<Member<'_>> = same
            .scan(0_usize, |types, member| {
                *types = types.saturating_add(member.types.len());
                Some((*types, *member))
            })
            .take_while(|(types, member)| *types <= MOST_TYPES || *types == member.types.len())
            .map(|(_, member)| member)
            .collect();
        Self {
            lagging: together.iter().map(|member| member.name.to_owned()).collect(),
            types: some(together.iter()),
            slices: Slices::new(place, overlap, Some(cursor)),
        }
    }

    /// Whether it is for all streams that do not lag.
    pub(crate) fn is_main(&self) -> bool {
        self.lagging.is_empty()
    }

    /// Whether it is for this stream.
    pub(crate) fn is_for(&self, stream: &str) -> bool {
        self.is_main() || self.lagging.iter().any(|lagging| lagging == stream)
    }
}

/// The types of these streams, if one request can name them.
fn some<'a>(members: impl Iterator<Item = &'a Member<'a>>) -> Vec<String> {
    let types: Vec<String> = members.flat_map(|member| member.types).cloned().collect();
    if types.len() <= MOST_TYPES { types } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("t{number}")).collect()
    }

    #[test]
    fn who_lags_catches_up_alone_as_far_as_the_others_are() {
        let (few, some, many) = (types(3), types(18), types(30));
        let member = |name, types| Member { name, types };
        let members = [
            member("a", few.as_slice()),
            member("b", &some),
            member("c", &few),
            member("d", &many),
        ];
        let mut global = GlobalState { events_cursor: 1000, ..GlobalState::default() };
        for (stream, place) in [("a", 500), ("b", 400), ("c", 500), ("d", 600)] {
            global.lagging.insert(stream.to_owned(), place);
        }
        let mut order = Vec::new();
        loop {
            let reading = Reading::next(&global, &members, 60);
            order.push((reading.lagging.join(","), reading.types.len()));
            if reading.is_main() {
                break;
            }
            assert_eq!(reading.slices.next(5000).lt, Some(1001));
            for stream in &reading.lagging {
                global.catch_up(stream, 1000);
            }
        }
        let expected = [("b", 18), ("a,c", 6), ("d", 0), ("", 0)];
        assert_eq!(order, expected.map(|(names, types)| (names.to_owned(), types)));
    }

    #[test]
    fn few_types_are_named_and_many_are_not() {
        let (few, many) = (types(20), types(21));
        let global = GlobalState::default();
        let of = |types: &[String]| Reading::next(&global, &[Member { name: "a", types }], 0).types;
        assert_eq!((of(&few).len(), of(&many).len()), (20, 0));
    }
}
