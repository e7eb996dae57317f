//! How much may be asked: one bucket for the account, one for each list.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::answer::ApiError;

/// The buckets. Each holds one second's worth and refills evenly.
pub(crate) struct Limits {
    account: Option<DefaultDirectRateLimiter>,
    endpoints: BTreeMap<String, DefaultDirectRateLimiter>,
}

impl Limits {
    /// Buckets of `account` requests a second for all, and of `endpoint` for each path.
    pub(crate) fn new<'a>(
        account: Option<NonZeroU32>,
        endpoint: Option<NonZeroU32>,
        paths: impl Iterator<Item = &'a str>,
    ) -> Self {
        let bucket = |rate| RateLimiter::direct(Quota::per_second(rate));
        let endpoints = paths.filter_map(|path| Some((path.to_owned(), bucket(endpoint?))));
        Self { account: account.map(bucket), endpoints: endpoints.collect() }
    }

    /// Takes a token for a request under the list at `path`; refuses when a bucket is empty.
    pub(crate) fn take(&self, path: &str) -> Result<(), ApiError> {
        let endpoint = self.endpoints.get(path);
        if endpoint.is_some_and(|bucket| bucket.check().is_err()) {
            return Err(ApiError::too_many("endpoint-rate"));
        }
        if self.account.as_ref().is_some_and(|bucket| bucket.check().is_err()) {
            return Err(ApiError::too_many("global-rate"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_that_is_empty_is_named() {
        let paths = ["/v1/charges", "/v1/customers"];
        let limits = Limits::new(NonZeroU32::new(3), NonZeroU32::new(1), paths.into_iter());
        assert_eq!(limits.take("/v1/charges"), Ok(()));
        let refused = limits.take("/v1/charges").unwrap_err();
        assert_eq!((refused.status, refused.limited_by), (429, Some("endpoint-rate")));
        assert_eq!(limits.take("/v1/customers"), Ok(()));
        assert_eq!(limits.take("/v1/account"), Ok(()));
        assert_eq!(limits.take("/v1/account").unwrap_err().limited_by, Some("global-rate"));
    }

    #[test]
    fn without_rates_nothing_is_refused() {
        let limits = Limits::new(None, None, ["/v1/charges"].into_iter());
        assert!((0..1_000).all(|_| limits.take("/v1/charges").is_ok()));
    }
}
