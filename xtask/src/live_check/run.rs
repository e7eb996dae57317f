//! The command: every probe, a line each.

use std::time::Duration;

use stripe_api::Catalogue;

use super::finding::{Finding, Outcome};
use super::probes::PROBES;
use super::stripe::Stripe;

/// Where to try.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Key of a test account that has data; it only reads
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: String,
    /// Where Stripe is
    #[arg(long, default_value = "https://api.stripe.com", value_name = "URL")]
    base_url: String,
    /// Only this probe
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Longest time for one probe: the longest asks for a page of each list.
const PROBE: Duration = Duration::from_secs(600);

/// Tries each assumption and says what was found; an error if anything differs.
pub(crate) fn run(options: &Options) -> Result<String, String> {
    refuse_live(&options.api_key)?;
    let version = &Catalogue::embedded().api_version;
    let stripe = Stripe::new(&options.base_url, &options.api_key, version)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("starting the runtime: {error}"))?;
    runtime.block_on(all(&stripe, options.only.as_deref()))
}

/// Only test data is looked at: a mistake must not cost anybody's live account requests.
fn refuse_live(key: &str) -> Result<(), String> {
    if key.starts_with("sk_test_") || key.starts_with("rk_test_") {
        return Ok(());
    }
    Err("reading STRIPE_API_KEY: not a test key; give one that begins with `rk_test_` or `sk_test_`"
        .to_owned())
}

async fn all(stripe: &Stripe, only: Option<&str>) -> Result<String, String> {
    let wanted: Vec<_> =
        PROBES.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = PROBES.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "reading --only: there is no such probe; there are {}",
            names.join(", ")
        ));
    }
    let (mut told, mut wrong) = (String::new(), 0_usize);
    for (name, probe) in wanted {
        let outcome = tokio::time::timeout(PROBE, probe(stripe)).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(Finding::Failed("it took too long".to_owned())));
        wrong += usize::from(matches!(outcome, Err(Finding::Differs(_) | Finding::Failed(_))));
        told.push_str(&line(name, &outcome));
    }
    if wrong > 0 {
        return Err(format!("{wrong} assumptions do not hold or could not be tried:\n{told}"));
    }
    Ok(format!("{told}nothing differs"))
}

fn line(name: &str, outcome: &Outcome) -> String {
    match outcome {
        Ok(()) => format!("{name}: ok\n"),
        Err(finding) => format!("{name}: {finding}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_key_is_refused_and_not_shown() {
        for key in ["sk_live_canary", "rk_live_canary", "canary"] {
            let told = refuse_live(key).unwrap_err();
            assert!(told.contains("not a test key") && !told.contains("canary"), "{told}");
        }
        assert_eq!(refuse_live("rk_test_1"), Ok(()));
    }
}
