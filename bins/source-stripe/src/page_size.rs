//! How many objects to ask for at once, where nobody knows how large they are. Pure.

use crate::call::Call;

/// Most objects a page may hold (<https://docs.stripe.com/api/pagination>).
pub(crate) const MOST: usize = 100;
/// Bytes of a page above which fewer objects are asked for.
pub(crate) const LARGE: usize = 4 * 1024 * 1024;
/// Bytes that a page is expected to have; one that is larger takes of the room that all share.
const EXPECTED: usize = 512 * 1024;

/// Asks for fewer objects behind large ones, and for more again behind small ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    limit: usize,
    bytes: usize,
}

impl PageSize {
    /// As many objects as a page may hold, and pages of at most about so many bytes.
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { limit: MOST, bytes }
    }

    /// How many objects to ask for.
    pub(crate) const fn limit(self) -> usize {
        self.limit
    }

    /// The call with its answer bounded, as long as it can be asked for fewer objects.
    pub(crate) fn bound(self, call: Call) -> Call {
        if self.limit > 1 { call.of_about(EXPECTED) } else { call }
    }

    /// A page that was asked for with this limit was let go.
    pub(crate) fn too_large(&mut self, limit: usize) {
        self.limit = self.limit.min(limit / 4).max(1);
    }

    /// A page of so many bytes has come.
    pub(crate) fn arrived(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let fitting = self.limit.saturating_mul(self.bytes) / bytes;
            self.limit = fitting.clamp(1, self.limit);
        } else if bytes <= self.bytes / 4 {
            self.limit = self.limit.saturating_mul(2).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_shrink_where_objects_are_large_and_grow_again_behind_them() {
        let mut size = PageSize::new(1000);
        let mut limits = Vec::new();
        for _ in 0..4 {
            size.too_large(size.limit());
            limits.push(size.limit());
        }
        assert_eq!(limits, [25, 6, 1, 1]);
        limits.clear();
        for bytes in [900, 200, 200, 200, 2000, 1_000_000, 200] {
            size.arrived(bytes);
            limits.push(size.limit());
        }
        assert_eq!(limits, [1, 2, 4, 8, 4, 1, 2]);
    }

    #[test]
    fn one_object_is_taken_whatever_its_size() {
        let mut size = PageSize::new(1000);
        let call = || size.bound(Call::new("asking", "/v1/x"));
        assert_eq!(call().expected, Some(EXPECTED));
        size.too_large(4);
        assert_eq!(size.bound(Call::new("asking", "/v1/x")).expected, None);
    }
}
