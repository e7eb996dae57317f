//! What every answer carries, and who may ask.

use super::finding::{Finding, Outcome, holds};
use super::stripe::{Authorization, Manner, Stripe};

/// Where every key may ask.
const ANYWHERE: &str = "/v1/customers";

pub(super) async fn keys(stripe: &Stripe) -> Outcome {
    let wrong = Authorization::Bearer("sk_test_0000000000000000notAKey");
    for (who, expected) in [(Authorization::Nobody, 401), (wrong, 401), (Authorization::Basic, 200)]
    {
        let manner = Manner { authorization: Some(who), ..Manner::default() };
        let answer = stripe.ask(ANYWHERE, &[("limit", "1")], manner).await?;
        holds(answer.status == expected, || format!("{} for {expected}", answer.told()))?;
    }
    Ok(())
}

pub(super) async fn account_invalid(stripe: &Stripe) -> Outcome {
    let manner = Manner { account: Some("acct_1nobodyknowsthis"), ..Manner::default() };
    let answer = stripe.ask(ANYWHERE, &[("limit", "1")], manner).await?;
    let is_so = answer.status == 403 && answer.error("code") == "account_invalid";
    holds(is_so, || answer.told())
}

pub(super) async fn headers(stripe: &Stripe) -> Outcome {
    for path in [ANYWHERE, "/v1/charges/ch_nobodyknowsthis"] {
        let answer = stripe.get(path, &[]).await?;
        for name in ["date", "request-id", "stripe-version"] {
            let is_there = answer.headers.contains_key(name);
            holds(is_there, || format!("GET {path}: {} without `{name}`", answer.status))?;
        }
    }
    Ok(())
}

pub(super) async fn default_version(stripe: &Stripe) -> Outcome {
    let manner = Manner { is_unversioned: true, ..Manner::default() };
    let answer = stripe.ask("/v1/account", &[], manner).await?;
    let version = answer.headers.get("stripe-version").map_or("", String::as_str);
    let is_one = version.starts_with("20") && version.len() >= "2024-06-20".len();
    holds(is_one, || format!("an answer to no version names `{version}`"))
}

pub(super) async fn date(stripe: &Stripe) -> Outcome {
    let mut last = None;
    for _ in 0..5 {
        let answer = stripe.get(ANYWHERE, &[("limit", "1")]).await?;
        let date = answer.headers.get("date").map_or("", String::as_str);
        let date = httpdate::parse_http_date(date)
            .map_err(|_| Finding::Differs(format!("`{date}` is no date")))?;
        let is_later = last.is_none_or(|last| date >= last);
        holds(is_later, || "a later answer has an earlier `Date`".to_owned())?;
        last = Some(date);
    }
    Ok(())
}
