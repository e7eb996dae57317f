//! The known name that somebody most likely meant.

/// Up to three of `known`, the nearest to `text` first; none when nothing is near.
pub(crate) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = known
        .map(|name| (similarity(text, name), name))
        .filter(|(score, _)| *score >= ENOUGH)
        .collect();
    scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Below this, a suggestion is noise: `customer` and `customers` score 0.97, strangers under 0.7.
const ENOUGH: f64 = 0.75;

fn similarity(text: &str, name: &str) -> f64 {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    strsim::jaro_winkler(&text, &name)
}

/// `` `a` or `b` ``, or nothing.
pub(crate) fn hint(names: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_letter_is_found_and_a_stranger_is_not() {
        let known = ["customers", "charges", "coupons"];
        assert_eq!(nearest("costumers", known.into_iter()).first(), Some(&"customers"));
        assert!(nearest("zebra", known.into_iter()).is_empty());
    }
}
