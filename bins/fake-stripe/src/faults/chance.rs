//! Trouble by chance: a share of all requests, decided by a seed.

use std::str::FromStr;

use thiserror::Error;

use super::kind::{Kind, PASSING, Trouble};
use crate::mix::mix;
use crate::objects::choose;

const WHOLE: u64 = 1_000_000;

/// A share between 0 and 1, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(u64);

/// A text that is no share.
#[derive(Debug, Error)]
#[error("reading a share: `{0}` is not between 0 and 1; write 0.05")]
pub(crate) struct NoShare(String);

impl Share {
    /// Whether it takes in what `random` stands for.
    pub(crate) fn holds(self, random: u64) -> bool {
        random % WHOLE < self.0
    }
}

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let no_share = || NoShare(text.to_owned());
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        let digits = format!("{rest:0<6}").chars().take(6).collect::<String>();
        let whole: u64 = whole.parse().map_err(|_| no_share())?;
        let rest: u64 = digits.parse().map_err(|_| no_share())?;
        let millionths = whole.saturating_mul(WHOLE).saturating_add(rest);
        if millionths > WHOLE { Err(no_share()) } else { Ok(Self(millionths)) }
    }
}

/// What happens by chance.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    share: Share,
    seed: u64,
    kinds: Vec<Kind>,
}

impl Chance {
    /// Trouble for a share of the requests; of the kinds that pass if none are named.
    pub(crate) fn new(share: Share, seed: u64, kinds: Vec<Kind>) -> Self {
        let kinds = if kinds.is_empty() { PASSING.to_vec() } else { kinds };
        Self { share, seed, kinds }
    }

    /// The trouble of a request, by its number.
    pub(crate) fn trouble(&self, number: u64) -> Option<Trouble> {
        let random = mix(&[self.seed, number]);
        if !self.share.holds(random) {
            return None;
        }
        let kind = choose(&self.kinds, random / WHOLE)?;
        Some(Trouble { kind, seconds: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_decimal_number_up_to_one() {
        let millionths = |text: &str| text.parse::<Share>().map(|share| share.0).ok();
        assert_eq!(millionths("0.05"), Some(50_000));
        assert_eq!(millionths("1"), Some(WHOLE));
        assert_eq!(millionths("0"), Some(0));
        for text in ["", "-1", "1.1", "2", "a", "0.x", "."] {
            assert_eq!(millionths(text), None, "{text}");
        }
    }

    #[test]
    fn about_that_share_gets_trouble_and_the_same_ones_each_time() {
        let chance = Chance::new("0.05".parse().unwrap(), 3, Vec::new());
        let struck = |chance: &Chance| -> Vec<Option<Trouble>> {
            (0..10_000).map(|number| chance.trouble(number)).collect()
        };
        let first = struck(&chance);
        let count = first.iter().flatten().count();
        assert!((400..600).contains(&count), "{count}");
        assert_eq!(struck(&chance), first);
        let kinds = first.iter().flatten().map(|trouble| format!("{:?}", trouble.kind));
        assert_eq!(kinds.collect::<std::collections::BTreeSet<_>>().len(), PASSING.len());
    }
}
