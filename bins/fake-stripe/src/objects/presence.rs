//! Which of a schema's properties an object has, and which of those are null.

use std::collections::BTreeMap;

use stripe_api::{Property, Shape};

use super::values;

/// Objects in objects are followed this far where they need not be there.
const OPTIONAL_DEPTH: usize = 6;

/// Nested objects that nearly every real object has, though they may be null.
const USUAL: [&str; 3] = ["outcome", "payment_method_details", "status_transitions"];

/// Nested objects that few real objects have.
const RARE: [&str; 4] =
    ["discount", "last_finalization_error", "last_payment_error", "last_setup_error"];

/// Properties in the order in which Stripe writes them: `id` and `object`, then by name.
pub(crate) fn in_order(
    properties: &BTreeMap<String, Property>,
) -> impl Iterator<Item = (&str, &Property)> {
    let is_first = |name: &str| name == "id" || name == "object";
    let first = ["id", "object"].into_iter().filter_map(|name| properties.get_key_value(name));
    let rest = properties.iter().filter(move |(name, _)| !is_first(name));
    first.chain(rest).map(|(name, property)| (name.as_str(), property))
}

/// How likely a property is there at all, `depth` objects deep. Lists that need not be there
/// come only when they are expanded. What is listed has an id, also where a preview of it has none.
pub(crate) fn there_percent(name: &str, depth: usize, property: &Property) -> u64 {
    let is_list = matches!(property.shape, Shape::List(_));
    let is_object = matches!(property.shape, Shape::Object(_));
    match depth {
        0 if name == "id" => 100,
        _ if property.required || property.nullable && !is_list => 100,
        _ if is_list => 0,
        OPTIONAL_DEPTH.. if is_object => 0,
        0 if is_object => 60,
        _ if is_object => 30,
        _ => 90,
    }
}

/// How likely a property that may be null is null, `depth` objects deep. Chosen so that objects
/// are about as large as real ones.
pub(crate) fn null_percent(name: &str, depth: usize, shape: &Shape) -> u64 {
    match shape {
        Shape::Id(_) | Shape::Boolean => 20,
        Shape::Object(_) if depth >= OPTIONAL_DEPTH => 100,
        Shape::Object(_) if USUAL.contains(&name) => 5,
        Shape::Object(_) if RARE.contains(&name) => 95,
        Shape::Object(_) if depth == 0 => 65,
        Shape::Object(_) | Shape::Array(_) => 75,
        Shape::Text if values::is_known(name) => 25,
        Shape::Text => 70,
        Shape::Integer | Shape::Number | Shape::Time | Shape::Choice(_) => 45,
        Shape::Map | Shape::List(_) => 30,
    }
}

/// The part that an object has of several that exclude each other: where a schema has a `type`
/// and an optional part for each type, an object has the part of its type and no other.
pub(crate) struct Method<'a> {
    parts: Vec<&'a str>,
    pub(crate) chosen: &'a str,
}

impl<'a> Method<'a> {
    /// The part that `random` decides, if the schema has such parts; mostly a card.
    pub(crate) fn of(properties: &'a BTreeMap<String, Property>, random: u64) -> Option<Self> {
        let shape = &properties.get("type")?.shape;
        let is_type = |name: &str| {
            matches!(shape, Shape::Choice(types) if types.iter().any(|known| known == name))
                || *shape == Shape::Text && properties.contains_key("card")
        };
        let optional = properties.iter().filter(|(_, property)| {
            !property.required && matches!(property.shape, Shape::Object(_))
        });
        let names = optional.map(|(name, _)| name.as_str());
        let parts: Vec<&str> = names.filter(|name| is_type(name)).collect();
        let card = parts.iter().copied().find(|name| *name == "card");
        let chosen = card.filter(|_| !random.is_multiple_of(4));
        let chosen = chosen.or_else(|| values::choose(&parts, random))?;
        Some(Self { parts, chosen })
    }

    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        name != self.chosen && self.parts.contains(&name)
    }
}
