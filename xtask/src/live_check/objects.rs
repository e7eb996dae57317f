//! Single objects and what is inside them.

use std::collections::BTreeSet;

use serde_json::Value;
use stripe_api::Catalogue;

use super::finding::{Finding, Outcome, found, holds};
use super::stripe::{Answer, Stripe, number, text};

pub(super) async fn unknown_path(stripe: &Stripe) -> Outcome {
    let answer = stripe.get("/v1/nobody_knows_this", &[]).await?;
    let is_so = answer.status == 404 && answer.message().starts_with("Unrecognized request URL");
    holds(is_so, || answer.told())
}

pub(super) async fn unknown_id(stripe: &Stripe) -> Outcome {
    let answer = stripe.get("/v1/charges/ch_nobodyknowsthis", &[]).await?;
    let is_so = answer.status == 404 && answer.error("code") == "resource_missing";
    holds(is_so, || answer.told())
}

/// An invoice with lines.
fn with_lines(answer: &Answer) -> Result<&Value, Finding> {
    let has_lines = |invoice: &&Value| {
        let lines = invoice.pointer("/lines/data").and_then(Value::as_array);
        lines.is_some_and(|lines| !lines.is_empty())
    };
    found(answer.data().iter().find(has_lines), "invoices with lines")
}

pub(super) async fn nested_lists(stripe: &Stripe) -> Outcome {
    let invoices = stripe.list("/v1/invoices", &[("limit", "100")]).await?;
    let invoice = with_lines(&invoices)?;
    let lines = invoice.get("lines").unwrap_or(&Value::Null);
    let shown: Vec<&str> = lines
        .get("data")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|line| text(line, "id"))
        .collect();
    let is_list = text(lines, "object") == "list" && lines.get("has_more").is_some();
    holds(is_list && shown.len() <= 10, || "`lines` is no list of at most ten".to_owned())?;
    let path = text(lines, "url");
    let whole = stripe.list(path, &[("limit", "100")]).await?;
    holds(whole.ids().starts_with(&shown), || format!("{path} does not begin with what is shown"))?;
    let (Some(last), rest) = (shown.last(), whole.ids().split_off(shown.len())) else {
        return Ok(());
    };
    let after = stripe.list(path, &[("limit", "100"), ("starting_after", last)]).await?;
    let is_rest = whole.body.get("has_more") == Some(&Value::Bool(true)) || after.ids() == rest;
    holds(is_rest, || format!("{path} does not go on after the last line shown"))
}

pub(super) async fn children_shown(stripe: &Stripe) -> Outcome {
    for child in &Catalogue::embedded().children {
        let Some(parent) = Catalogue::embedded().stream(&child.parent) else { continue };
        let answer = stripe.list(&parent.path, &[("limit", "100")]).await?;
        for object in answer.data() {
            let elements = object.get(&child.list).and_then(|list| list.get("data"));
            let is_shown = elements.and_then(Value::as_array).is_some_and(|elements| {
                elements.iter().all(|element| text(element, "object") == child.facts.object)
            });
            let id = text(object, "id");
            holds(is_shown, || format!("`{id}` does not show `{}` whole", child.list))?;
        }
    }
    Ok(())
}

pub(super) async fn references(stripe: &Stripe) -> Outcome {
    for stream in &Catalogue::embedded().streams {
        if !["charges", "invoices", "subscriptions"].contains(&stream.name.as_str()) {
            continue;
        }
        let answer = stripe.list(&stream.path, &[("limit", "20")]).await?;
        let expandable = stream.fields.iter().filter(|field| field.expandable);
        for field in expandable {
            let is_id = |object: &Value| {
                object.get(&field.name).is_none_or(|value| value.is_null() || value.is_string())
            };
            let (all, name) = (answer.data().iter().all(is_id), &field.name);
            holds(all, || format!("`{name}` of `{}` is no id", stream.name))?;
        }
    }
    Ok(())
}

pub(super) async fn ids(stripe: &Stripe) -> Outcome {
    let prefixes =
        [("/v1/customers", "cus_"), ("/v1/invoices", "in_"), ("/v1/subscriptions", "sub_")];
    for (path, prefix) in prefixes {
        let answer = stripe.list(path, &[("limit", "100")]).await?;
        let ids = answer.ids();
        let are_so = ids.iter().all(|id| id.starts_with(prefix));
        holds(are_so, || format!("ids of {path} do not all begin with `{prefix}`"))?;
        let once: BTreeSet<&str> = ids.iter().copied().collect();
        holds(once.len() == ids.len(), || format!("{path} shows an id twice"))?;
    }
    Ok(())
}

pub(super) async fn volatile(stripe: &Stripe) -> Outcome {
    for name in ["charges", "invoices", "credit_notes", "customers"] {
        let stream = found(Catalogue::embedded().stream(name), name)?;
        let list = stripe.list(&stream.path, &[("limit", "1")]).await?;
        let Some(id) = list.ids().first().copied().map(str::to_owned) else { continue };
        let path = format!("{}/{id}", stream.path);
        let (first, second) = (stripe.get(&path, &[]).await?, stripe.get(&path, &[]).await?);
        let differs = |field: &&String| first.body.get(*field) != second.body.get(*field);
        let fields = first.body.as_object().into_iter().flatten().map(|(field, _)| field);
        let mut changed = fields.filter(differs).filter(|field| !stream.volatile.contains(field));
        if let Some(field) = changed.next() {
            return Err(Finding::Differs(format!("`{field}` of `{name}` changes by itself")));
        }
    }
    Ok(())
}

pub(super) async fn stub(stripe: &Stripe) -> Outcome {
    let query = [("type", "customer.deleted"), ("limit", "1")];
    let events = stripe.list("/v1/events", &query).await?;
    let event = found(events.data().first(), "deleted customer in the last 30 days")?;
    let gone = event.pointer("/data/object").unwrap_or(&Value::Null);
    let (id, created) = (text(gone, "id"), number(gone, "created").unwrap_or_default());
    let stub = stripe.get(&format!("/v1/customers/{id}"), &[]).await?;
    let members: Vec<&str> =
        stub.body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    holds(members == ["id", "object", "deleted"], || {
        format!("`{id}` was deleted and is answered with `{}`", members.join("`, `"))
    })?;
    let second = created.to_string();
    let listed = stripe.list("/v1/customers", &[("created", &second), ("limit", "100")]).await?;
    holds(!listed.ids().contains(&id), || format!("`{id}` was deleted and is listed"))
}

pub(super) async fn account(stripe: &Stripe) -> Outcome {
    let answer = stripe.list("/v1/account", &[]).await?;
    let is_so = text(&answer.body, "id").starts_with("acct_")
        && number(&answer.body, "created").is_some()
        && answer.body.get("charges_enabled").is_some_and(Value::is_boolean);
    holds(is_so, || "id, created or charges_enabled is missing".to_owned())
}

pub(super) async fn mode(stripe: &Stripe) -> Outcome {
    let answer = stripe.list("/v1/customers", &[("limit", "100")]).await?;
    let is_test = |object: &Value| object.get("livemode") == Some(&Value::Bool(false));
    holds(answer.data().iter().all(is_test), || "a test key reads live objects".to_owned())
}

pub(super) async fn endpoint_secret(stripe: &Stripe) -> Outcome {
    let answer = stripe.list("/v1/webhook_endpoints", &[("limit", "100")]).await?;
    found(answer.data().first(), "webhook endpoints")?;
    let tells = answer.data().iter().any(|endpoint| endpoint.get("secret").is_some());
    holds(!tells, || "a list of endpoints tells a secret".to_owned())
}
