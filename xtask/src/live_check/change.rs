//! Events.

use std::collections::BTreeMap;

use serde_json::Value;
use stripe_api::Catalogue;

use super::finding::{Outcome, found, holds};
use super::stripe::{Stripe, number, text};

const EVENTS: &str = "/v1/events";

pub(super) async fn event_list(stripe: &Stripe) -> Outcome {
    let answer = stripe.list(EVENTS, &[("limit", "100")]).await?;
    let times: Vec<_> = answer.data().iter().map(|event| number(event, "created")).collect();
    holds(times.is_sorted_by(|a, b| a >= b), || "events are not newest first".to_owned())?;
    let newest = found(answer.data().first(), "events")?;
    let kind = text(newest, "type");
    let family = format!("{}.*", kind.split('.').next().unwrap_or_default());
    for query in [("type", kind), ("type", family.as_str()), ("types[]", kind)] {
        let some = stripe.list(EVENTS, &[query, ("limit", "5")]).await?;
        let stem = query.1.trim_end_matches('*');
        let fits = some.data().iter().all(|event| text(event, "type").starts_with(stem));
        let is_so = fits && some.ids().first() == Some(&text(newest, "id"));
        holds(is_so, || format!("`{}={}` is not heeded", query.0, query.1))?;
    }
    Ok(())
}

pub(super) async fn event_shape(stripe: &Stripe) -> Outcome {
    let answer = stripe.list(EVENTS, &[("limit", "100")]).await?;
    found(answer.data().first(), "events")?;
    for event in answer.data() {
        let object = event.pointer("/data/object");
        let is_whole = object.is_some_and(Value::is_object)
            && !text(event, "api_version").is_empty()
            && number(event, "created").is_some();
        let is_update = text(event, "type").ends_with(".updated");
        let differs = event.pointer("/data/previous_attributes").is_some_and(Value::is_object);
        holds(is_whole && (differs || !is_update), || {
            format!("`{}` ({}) has another shape", text(event, "id"), text(event, "type"))
        })?;
    }
    Ok(())
}

pub(super) async fn event_types(stripe: &Stripe) -> Outcome {
    let streams = &Catalogue::embedded().streams;
    let carried: BTreeMap<&str, &str> = streams
        .iter()
        .flat_map(|stream| {
            stream.event_types.iter().map(|kind| (kind.as_str(), stream.object.as_str()))
        })
        .collect();
    let answer = stripe.list(EVENTS, &[("limit", "100")]).await?;
    found(answer.data().first(), "events")?;
    for event in answer.data() {
        let kind = text(event, "type");
        let object = event.pointer("/data/object").map_or("", |object| text(object, "object"));
        let expected = carried.get(kind).copied().unwrap_or(object);
        holds(object == expected, || format!("`{kind}` carries a `{object}`, not a `{expected}`"))?;
    }
    Ok(())
}
