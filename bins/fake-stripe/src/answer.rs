//! What goes back: a status, headers, a body; and errors as Stripe words them.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Delivery,
}

/// How an answer gets to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// At once and whole.
    Whole,
    /// Whole, after a time.
    After(Duration),
    /// Whole, in drops over a time.
    Dripping(Duration),
    /// Half of what `Content-Length` says; then the connection ends.
    Short,
    /// Half of it, in chunks; then the connection ends.
    Broken,
}

/// A refusal, in the form in which Stripe refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// `error.type`.
    pub(crate) kind: &'static str,
    /// `error.code`.
    pub(crate) code: Option<&'static str>,
    /// `error.message`.
    pub(crate) message: String,
    /// `error.param`: the parameter at fault.
    pub(crate) param: Option<String>,
    /// The bucket that ran empty, sent as `Stripe-Rate-Limited-Reason`.
    pub(crate) limited_by: Option<&'static str>,
}

impl Answer {
    /// A body that stands as it is.
    pub(crate) fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, headers: Vec::new(), body, delivery: Delivery::Whole }
    }

    /// A value, pretty-printed.
    pub(crate) fn json(value: &Value) -> Self {
        Self::ok(format!("{value:#}\n").into_bytes())
    }
}

impl ApiError {
    /// A request that cannot be answered as it is (`invalid_request_error`).
    pub(crate) fn invalid(status: u16, message: String) -> Self {
        let kind = "invalid_request_error";
        Self { status, kind, code: None, message, param: None, limited_by: None }
    }

    /// The same, with a code.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The same, about a parameter.
    pub(crate) fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// An address that Stripe does not have.
    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        );
        Self::invalid(404, message)
    }

    /// An id that leads to nothing. A retrieve is answered 404, a cursor 400.
    pub(crate) fn missing(status: u16, object: &str, id: &str, param: &str) -> Self {
        let message = format!("No such {object}: '{id}'");
        Self::invalid(status, message).code("resource_missing").param(param)
    }

    /// A parameter that the request must have.
    pub(crate) fn missing_param(name: &str) -> Self {
        let message = format!("Missing required param: {name}.");
        Self::invalid(400, message).code("parameter_missing").param(name)
    }

    /// More requests than are allowed, by the bucket that ran empty.
    pub(crate) fn too_many(bucket: &'static str) -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.";
        let refusal = Self::invalid(429, message.to_owned()).code("rate_limit");
        Self { limited_by: Some(bucket), ..refusal }
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        let mut body = Map::new();
        if let Some(code) = error.code {
            body.insert("code".to_owned(), json!(code));
            let page = code.replace('_', "-");
            body.insert(
                "doc_url".to_owned(),
                json!(format!("https://stripe.com/docs/error-codes/{page}")),
            );
        }
        body.insert("message".to_owned(), json!(error.message));
        if let Some(param) = error.param {
            body.insert("param".to_owned(), json!(param));
        }
        body.insert("type".to_owned(), json!(error.kind));
        let headers =
            error.limited_by.map(|reason| ("stripe-rate-limited-reason", reason.to_owned()));
        Self {
            status: error.status,
            headers: headers.into_iter().collect(),
            ..Self::json(&json!({"error": body}))
        }
    }
}
