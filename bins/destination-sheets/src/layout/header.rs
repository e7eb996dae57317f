//! The header row: columns are found by name, so people may move them and add their own.

use serde_json::Value;

/// Where each wanted column stands; of a name that is there twice, the first counts.
pub(crate) fn columns(header: &[Value], wanted: &[String]) -> Vec<Option<u64>> {
    let place = |name: &String| {
        let at = header.iter().position(|cell| cell.as_str().is_some_and(|text| text == name));
        at.and_then(|at| u64::try_from(at).ok())
    };
    wanted.iter().map(place).collect()
}

/// The wanted columns that are not there.
pub(crate) fn missing<'a>(header: &[Value], wanted: &'a [String]) -> Vec<&'a str> {
    let found = columns(header, wanted);
    let pairs = wanted.iter().zip(found);
    pairs.filter(|(_, at)| at.is_none()).map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_found_wherever_they_were_moved() {
        let header = [json!("mine"), json!("name"), json!(""), json!("id"), json!("id"), json!(7)];
        let wanted = ["id", "name", "email"].map(str::to_owned);
        assert_eq!(columns(&header, &wanted), [Some(3), Some(1), None]);
        assert_eq!(missing(&header, &wanted), ["email"]);
    }
}
