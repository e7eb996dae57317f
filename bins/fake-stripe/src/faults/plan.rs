//! All that is to go wrong, with how often it has.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::chance::Chance;
use super::kind::Trouble;
use super::order::{FaultRule, failure};
use super::rule::TroubleRule;
use crate::answer::ApiError;

/// The rules with what each has seen, and what happens by chance.
#[derive(Default)]
pub(crate) struct Faults {
    orders: Vec<(FaultRule, AtomicU32)>,
    rules: Vec<(TroubleRule, AtomicU32)>,
    chance: Option<Chance>,
    requests: AtomicU64,
}

impl Faults {
    pub(crate) fn new(
        orders: Vec<FaultRule>,
        rules: Vec<TroubleRule>,
        chance: Option<Chance>,
    ) -> Self {
        Self {
            orders: orders.into_iter().map(|rule| (rule, AtomicU32::new(0))).collect(),
            rules: rules.into_iter().map(|rule| (rule, AtomicU32::new(0))).collect(),
            chance,
            requests: AtomicU64::new(0),
        }
    }

    /// Fails a request for `path` if it is its turn.
    pub(crate) fn strike(&self, path: &str) -> Result<(), ApiError> {
        for (rule, seen) in self.orders.iter().filter(|(rule, _)| rule.covers(path)) {
            let before = seen.fetch_add(1, Ordering::Relaxed);
            if let Some(status) = rule.status(before) {
                return Err(failure(status));
            }
        }
        Ok(())
    }

    /// The trouble that a request for `path` gets: by rule, else by chance.
    pub(crate) fn trouble(&self, path: &str) -> Option<Trouble> {
        let mut found = None;
        for (rule, seen) in self.rules.iter().filter(|(rule, _)| rule.covers(path)) {
            let before = seen.fetch_add(1, Ordering::Relaxed);
            found = found.or_else(|| rule.trouble(before));
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        found.or_else(|| self.chance.as_ref()?.trouble(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rule: &str) -> Faults {
        Faults::new(vec![rule.parse().unwrap()], Vec::new(), None)
    }

    #[test]
    fn a_rule_strikes_when_it_is_its_turn() {
        let faults = faults("path=/v1/charges,status=500,times=2,after=1");
        let statuses: Vec<bool> = (0..5).map(|_| faults.strike("/v1/charges").is_ok()).collect();
        assert_eq!(statuses, [true, false, false, true, true]);
        assert_eq!(faults.strike("/v1/customers"), Ok(()));
    }

    #[test]
    fn a_star_covers_what_begins_so() {
        let faults = faults("path=/v1/*,status=401");
        assert_eq!(faults.strike("/v1/account").unwrap_err().status, 401);
        assert_eq!(faults.strike("/v2/core/accounts"), Ok(()));
    }

    #[test]
    fn a_rule_goes_before_chance() {
        let rule = "path=/v1/charges,nth=2,kind=empty".parse().unwrap();
        let always = Chance::new("1".parse().unwrap(), 1, vec!["500".parse().unwrap()]);
        let faults = Faults::new(Vec::new(), vec![rule], Some(always));
        let kinds: Vec<String> =
            (0..3).map(|_| format!("{:?}", faults.trouble("/v1/charges").unwrap().kind)).collect();
        assert_eq!(kinds, ["ServerError", "Empty", "ServerError"]);
        let none = Faults::default();
        assert_eq!(none.trouble("/v1/charges"), None);
    }
}
