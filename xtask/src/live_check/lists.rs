//! Lists: their shape, order, filters and pages, and what they leave out.

use serde_json::Value;
use stripe_api::{Catalogue, StreamFacts};

use super::finding::{Finding, Outcome, found, holds};
use super::stripe::{Answer, Stripe, number, text};

const CUSTOMERS: &str = "/v1/customers";

pub(super) async fn shape(stripe: &Stripe) -> Outcome {
    let answer = stripe.list(CUSTOMERS, &[("limit", "3")]).await?;
    let members: Vec<&str> =
        answer.body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    holds(members == ["object", "data", "has_more", "url"], || {
        format!("a list has `{}`", members.join("`, `"))
    })?;
    let is_so = text(&answer.body, "object") == "list" && text(&answer.body, "url") == CUSTOMERS;
    holds(is_so, || "`object` or `url` is another".to_owned())?;
    holds(answer.text.starts_with("{\n  \"object\""), || "it is not pretty-printed".to_owned())
}

pub(super) async fn newest_first(stripe: &Stripe) -> Outcome {
    let first = stripe.list(CUSTOMERS, &[("limit", "50")]).await?;
    let last = found(first.ids().last().copied(), "customers")?;
    let second = stripe.list(CUSTOMERS, &[("limit", "50"), ("starting_after", last)]).await?;
    let both = first.data().iter().chain(second.data());
    let times: Vec<_> = both.map(|customer| number(customer, "created")).collect();
    holds(times.is_sorted_by(|a, b| a >= b), || "customers are not newest first".to_owned())?;
    let again = stripe.list(CUSTOMERS, &[("limit", "50")]).await?;
    holds(again.ids() == first.ids(), || "the same page comes in another order".to_owned())
}

pub(super) async fn every_list_in_order(stripe: &Stripe) -> Outcome {
    for facts in &Catalogue::embedded().streams {
        let Some(field) = &facts.sort_field else { continue };
        let Ok(answer) = stripe.list(&facts.path, &page(facts)).await else { continue };
        let times: Vec<_> = answer.data().iter().map(|object| number(object, field)).collect();
        let is_sorted = times.is_sorted_by(|a, b| a >= b);
        holds(is_sorted, || format!("`{}` are not listed by `{field}`, newest first", facts.name))?;
    }
    Ok(())
}

fn page(facts: &StreamFacts) -> Vec<(&str, &str)> {
    let fixed = facts.fixed_params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    fixed.chain(facts.accepts.limit.then_some(("limit", "100"))).collect()
}

pub(super) async fn created_filter(stripe: &Stripe) -> Outcome {
    let answer = stripe.list(CUSTOMERS, &[("limit", "3")]).await?;
    let customer = found(answer.data().last(), "customers")?;
    let created = found(number(customer, "created"), "customers with a time")?;
    let (at, after) = (created.to_string(), (created + 1).to_string());
    let before = (created - 1).to_string();
    let queries: [&[(&str, &str)]; 3] = [
        &[("created", &at)],
        &[("created[gte]", &at), ("created[lt]", &after)],
        &[("created[gt]", &before), ("created[lte]", &at)],
    ];
    for query in queries {
        let found = stripe.list(CUSTOMERS, query).await?;
        let is_at = |customer: &Value| number(customer, "created") == Some(created);
        let is_so = found.data().iter().all(is_at) && found.ids().contains(&text(customer, "id"));
        holds(is_so, || format!("{query:?} does not give what was created in that second"))?;
    }
    Ok(())
}

pub(super) async fn invoiceitem_date(stripe: &Stripe) -> Outcome {
    let answer = stripe.list("/v1/invoiceitems", &[("limit", "100")]).await?;
    let item = found(answer.data().last(), "invoice items")?;
    let date = found(number(item, "date"), "invoice items with a date")?.to_string();
    let some = stripe.list("/v1/invoiceitems", &[("created", &date)]).await?;
    holds(some.ids().contains(&text(item, "id")), || "`created` does not mean `date`".to_owned())
}

pub(super) async fn limit_bounds(stripe: &Stripe) -> Outcome {
    for (limit, status) in [("0", 400), ("101", 400), ("1", 200), ("100", 200)] {
        let answer = stripe.get(CUSTOMERS, &[("limit", limit)]).await?;
        holds(answer.status == status, || format!("limit={limit}: {}", answer.told()))?;
    }
    let usual = stripe.list(CUSTOMERS, &[]).await?;
    let has_more = usual.body.get("has_more") == Some(&Value::Bool(true));
    let count = usual.data().len();
    holds(count == 10 || !has_more && count < 10, || format!("without a limit {count} come"))
}

pub(super) async fn cursor_position(stripe: &Stripe) -> Outcome {
    let three = stripe.list(CUSTOMERS, &[("limit", "3")]).await?;
    let [first, second, third] = three.ids()[..] else {
        return Err(Finding::NotTried("the account has no three customers".to_owned()));
    };
    let oldest = three.data().last().and_then(|customer| number(customer, "created"));
    let oldest = oldest.unwrap_or_default().to_string();
    let after = [("starting_after", first), ("limit", "2"), ("created[gte]", &oldest)];
    let after = stripe.list(CUSTOMERS, &after).await?;
    holds(after.ids() == [second, third], || "a page does not follow its cursor".to_owned())?;
    let before = stripe.list(CUSTOMERS, &[("ending_before", second), ("limit", "1")]).await?;
    holds(before.ids() == [first], || "a page does not end before its cursor".to_owned())
}

pub(super) async fn both_cursors(stripe: &Stripe) -> Outcome {
    let two = stripe.list(CUSTOMERS, &[("limit", "2")]).await?;
    let [first, second] = two.ids()[..] else {
        return Err(Finding::NotTried("the account has no two customers".to_owned()));
    };
    let both = [("starting_after", first), ("ending_before", second)];
    let answer = stripe.get(CUSTOMERS, &both).await?;
    holds(answer.status == 400, || answer.told())
}

pub(super) async fn unknown_cursor(stripe: &Stripe) -> Outcome {
    let answer = stripe.get(CUSTOMERS, &[("starting_after", "cus_nobodyknowsthis")]).await?;
    let is_so = answer.status == 400
        && answer.error("code") == "resource_missing"
        && answer.error("param") == "starting_after";
    holds(is_so, || answer.told())
}

pub(super) async fn whole_list(stripe: &Stripe) -> Outcome {
    let answer = stripe.list("/v1/reporting/report_types", &[]).await?;
    let is_whole = answer.body.get("has_more") == Some(&Value::Bool(false));
    holds(is_whole, || "report types have pages".to_owned())
}

pub(super) async fn unknown_parameter(stripe: &Stripe) -> Outcome {
    let answer = stripe.get(CUSTOMERS, &[("nobody_knows_this", "1")]).await?;
    let is_so = answer.status == 400 && answer.error("code") == "parameter_unknown";
    holds(is_so, || answer.told())
}

pub(super) async fn missing_parent(stripe: &Stripe) -> Outcome {
    let in_path = stripe.get("/v1/customers/cus_nobodyknowsthis/tax_ids", &[]).await?;
    let is_so = in_path.status == 404 && in_path.error("code") == "resource_missing";
    holds(is_so, || format!("in the path: {}", in_path.told()))?;
    let items = "/v1/subscription_items";
    let in_query = stripe.get(items, &[("subscription", "sub_nobodyknowsthis")]).await?;
    let is_so = in_query.status == 400 && in_query.error("param") == "subscription";
    holds(is_so, || format!("in the query: {}", in_query.told()))?;
    let without = stripe.get(items, &[]).await?;
    let is_so = without.status == 400 && without.error("code") == "parameter_missing";
    holds(is_so, || format!("left out: {}", without.told()))
}

const V2_EVENTS: &str = "/v2/core/events";

pub(super) async fn v2_list(stripe: &Stripe) -> Outcome {
    let answer = stripe.list(V2_EVENTS, &[]).await?;
    let has = |name: &str| answer.body.get(name).is_some();
    let is_so = has("data") && has("next_page_url") && has("previous_page_url");
    holds(is_so, || "a v2 list has other members".to_owned())?;
    holds(answer.data().len() <= 20, || "more than 20 come without a limit".to_owned())?;
    let times: Vec<&str> = answer.data().iter().map(|event| text(event, "created")).collect();
    let is_so = times.is_sorted_by(|a, b| a >= b) && times.iter().all(|time| time.ends_with('Z'));
    holds(is_so, || "v2 events are not newest first, by times in UTC".to_owned())?;
    let next = text(&answer.body, "next_page_url");
    let (path, query) = next.split_once('?').unwrap_or((next, ""));
    if next.is_empty() {
        return Ok(());
    }
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let query: Vec<(&str, &str)> = query.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let second = stripe.list(path, &query).await?;
    let repeats = second.ids().iter().any(|id| answer.ids().contains(id));
    holds(!repeats, || "the next page repeats objects".to_owned())
}

pub(super) async fn v2_token(stripe: &Stripe) -> Outcome {
    stripe.list(V2_EVENTS, &[]).await?;
    let answer = stripe.get(V2_EVENTS, &[("page", "nobodyknowsthis")]).await?;
    holds(answer.status == 400, || answer.told())
}

pub(super) async fn status_all(stripe: &Stripe) -> Outcome {
    let path = "/v1/subscriptions";
    let all = stripe.list(path, &[("status", "all"), ("limit", "100")]).await?;
    let usual = stripe.list(path, &[("limit", "100")]).await?;
    let is_canceled = |one: &Value| text(one, "status") == "canceled";
    let shows = usual.data().iter().any(is_canceled);
    holds(!shows, || "canceled subscriptions come without `status`".to_owned())?;
    let canceled = stripe.list(path, &[("status", "canceled"), ("limit", "1")]).await?;
    let newest = found(canceled.data().first(), "canceled subscriptions")?;
    let created = number(newest, "created").unwrap_or_default().to_string();
    let there = stripe.list(path, &[("status", "all"), ("created", &created)]).await?;
    let is_so = there.ids().contains(&text(newest, "id")) && all.data().len() >= usual.data().len();
    holds(is_so, || "`status=all` does not give canceled subscriptions".to_owned())
}

pub(super) async fn open_reviews(stripe: &Stripe) -> Outcome {
    let answer = stripe.list("/v1/reviews", &[("limit", "100")]).await?;
    found(answer.data().first(), "reviews")?;
    let is_open = |review: &Value| review.get("open") == Some(&Value::Bool(true));
    holds(answer.data().iter().all(is_open), || "closed reviews are listed".to_owned())
}

pub(super) async fn inactive_prices(stripe: &Stripe) -> Outcome {
    for path in ["/v1/prices", "/v1/products"] {
        let is_inactive = |object: &&Value| object.get("active") == Some(&Value::Bool(false));
        let listed: Answer = stripe.list(path, &[("limit", "100")]).await?;
        if listed.data().iter().any(|object| is_inactive(&object)) {
            continue;
        }
        let asked = stripe.list(path, &[("active", "false"), ("limit", "1")]).await?;
        let one = found(asked.data().iter().find(is_inactive), "inactive price or product")?;
        let created = number(one, "created").unwrap_or_default().to_string();
        let there = stripe.list(path, &[("created", &created), ("limit", "100")]).await?;
        let is_listed = there.ids().contains(&text(one, "id"));
        holds(is_listed, || format!("{path} leaves out inactive ones"))?;
    }
    Ok(())
}

pub(super) async fn credit_balance(stripe: &Stripe) -> Outcome {
    let answer = stripe.get("/v1/billing/credit_balance_transactions", &[]).await?;
    holds(answer.status != 200, || "they are listed without a customer".to_owned())
}
