//! How much work a range is expected to be, from what its pages showed.

/// What a range is taken for before a page of it was seen: more than anything that was.
const UNSEEN: f64 = 1e18;

/// Objects seen, and over how many seconds. Older pages count half as much with every page that
/// follows, for histories grow and burst.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Density {
    objects: f64,
    seconds: f64,
    /// Objects in a row that share the last second seen.
    same_second: f64,
    last: Option<i64>,
}

impl Density {
    /// Takes in a page of a range that began before the second `from`; its objects' seconds.
    pub(crate) fn learn(&mut self, from: i64, sorts: &[Option<i64>]) {
        let Some(last) = sorts.iter().flatten().min().copied() else { return };
        let passed = from.saturating_sub(1).saturating_sub(last).max(0);
        self.objects = self.objects / 2.0 + sorts.len() as f64;
        self.seconds = self.seconds / 2.0 + passed as f64;
        let in_a_row = sorts.iter().filter(|sort| **sort == Some(last)).count() as f64;
        let goes_on = self.last == Some(last);
        self.same_second = in_a_row + if goes_on { self.same_second } else { 0.0 };
        self.last = Some(last);
    }

    /// Whether a page was seen.
    pub(crate) fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// Objects to expect in so many seconds more. A second that held many may hold as many again.
    pub(crate) fn work(&self, seconds: i64) -> f64 {
        if !self.is_known() {
            return UNSEEN + seconds as f64;
        }
        let a_second = self.objects / self.seconds.max(1.0);
        (a_second * seconds as f64).max(self.same_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_expected_to_go_on_and_the_latest_counts_most() {
        let mut density = Density::default();
        assert!(density.work(1) > 1e17 && density.work(2) >= density.work(1));
        density.learn(1_001, &[Some(1_000), Some(950), Some(900)]);
        assert!((density.work(100) - 3.0).abs() < 0.01, "{}", density.work(100));
        density.learn(901, &[Some(800), Some(0)]);
        assert!((density.work(1_000) - 3.68).abs() < 0.1, "{}", density.work(1_000));
    }

    #[test]
    fn a_second_that_held_many_may_hold_as_many_again() {
        let mut density = Density::default();
        density.learn(8, &[Some(7); 100]);
        density.learn(8, &[Some(7); 100]);
        assert!(density.work(0) >= 200.0);
        density.learn(8, &[Some(6), Some(5)]);
        assert!(density.work(0) < 2.0);
    }
}
