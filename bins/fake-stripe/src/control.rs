//! What the fake is told while it runs: to change something, to move its clock. No part of
//! Stripe.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, ApiError};
use crate::change::{Deed, Done};
use crate::clock::Clock;
use crate::tenant::{Order, Tenant, told};

/// The body of `POST /__mutate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutate {
    /// Steps of the seeded script.
    #[serde(default)]
    steps: u32,
    /// Changes by hand, before the steps.
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    stream: String,
    #[serde(rename = "do")]
    deed: Deed,
    id: Option<String>,
    set: Option<Value>,
    raw: Option<String>,
}

/// The body of `POST /__clock`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: u32,
}

/// `POST /__mutate`: everything in it happens at one moment. Answers what was done.
pub(crate) fn mutate(tenant: &Tenant, clock: &Clock, body: &[u8]) -> Result<Answer, ApiError> {
    let asked: Mutate = read(body)?;
    let now = clock.now();
    let mut done: Vec<Done> = Vec::new();
    for Change { stream, deed, id, set, raw } in asked.changes {
        let order = Order { stream, deed, id, set, raw };
        done.push(tenant.carry_out(&order, now).ok_or_else(|| impossible(&order))?);
    }
    done.extend(tenant.take_steps(asked.steps, now));
    Ok(Answer::json(&told(&done)))
}

/// `POST /__clock`: moves the clock on by so many seconds. Answers the time.
pub(crate) fn advance(clock: &Clock, body: &[u8]) -> Result<Answer, ApiError> {
    let asked: Advance = read(body)?;
    clock.advance(asked.advance);
    Ok(Answer::json(&json!({"now": clock.seconds()})))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::invalid(400, format!("fake-stripe cannot read what it is told: {error}"))
    })
}

fn impossible(order: &Order) -> ApiError {
    let (deed, stream) = (order.deed.as_str(), &order.stream);
    let id = order.id.as_deref().unwrap_or("any object");
    ApiError::invalid(400, format!("fake-stripe cannot {deed} {id} of {stream}: it is not there"))
}
