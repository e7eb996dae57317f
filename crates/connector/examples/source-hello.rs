//! A whole source: `docs/add-a-connector.md` shows this file.

use std::process::ExitCode;

use connector::{About, Emitter, Environment, Error, ReadRequest, Source, Stop};
use protocol::{Catalog, ConfiguredCatalog, Level, Origin, Spec, Timestamp};
use serde_json::{json, value::to_raw_value};

struct Hello {
    names: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Config {
    names: Vec<String>,
}

impl Source for Hello {
    const ABOUT: About = About {
        name: "source-hello",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Greets people.",
        example: r#"source-hello read --config '{"names":["Ada"]}' --catalog catalog.json"#,
        environment: &[],
    };
    type Config = Config;

    fn spec() -> Spec {
        Spec::new(json!({
            "type": "object",
            "properties": {"names": {"type": "array", "description": "Whom to greet"}},
            "required": ["names"],
            "additionalProperties": false,
        }))
    }

    async fn open(config: Config, _: &Environment, _: &mut Emitter) -> Result<Self, Error> {
        Ok(Self { names: config.names })
    }

    async fn check(&self, _: Option<&ConfiguredCatalog>, _: &mut Emitter) -> Result<String, Error> {
        if self.names.is_empty() {
            return Err(Error::config("there is nobody to greet").hint("put a name in `names`"));
        }
        Ok(format!("{} people to greet", self.names.len()))
    }

    async fn discover(&self, _: &mut Emitter) -> Result<Catalog, Error> {
        let stream = json!({
            "name": "greetings",
            "primary_key": [["id"]],
            "newer_than_field": "at",
            "json_schema": {"properties": {
                "id": {"type": "string"},
                "text": {"type": "string"},
                "at": {"type": "integer"},
            }},
        });
        let stream = serde_json::from_value(stream)
            .map_err(|error| Error::internal("describing a stream").caused_by(error))?;
        Ok(Catalog { streams: vec![stream] })
    }

    async fn read(&self, request: ReadRequest, out: &mut Emitter, stop: Stop) -> Result<(), Error> {
        out.start("greetings", None).await?;
        // What an earlier run left: how many were greeted already.
        let left = request.state.streams.get("greetings");
        let done = left.map_or(Ok(0), |state| state.get().parse::<usize>());
        if done.is_err() {
            out.log(Level::Warn, "the state is none of ours, so everybody is greeted again")
                .await?;
        }
        let done = done.unwrap_or(0);
        for (number, name) in self.names.iter().enumerate().skip(done) {
            if stop.is_requested() {
                return Ok(());
            }
            let text = format!("Hello, {name}");
            let data = to_raw_value(&json!({"id": number.to_string(), "text": text, "at": 1}))
                .map_err(|error| Error::internal("writing a greeting").caused_by(error))?;
            out.record("greetings", &data, Timestamp::from_seconds(1), Origin::List).await?;
            out.state("greetings", &(number + 1)).await?;
        }
        out.complete("greetings").await
    }
}

#[expect(clippy::disallowed_methods, reason = "main reads the environment, once")]
fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    connector::run_source::<Hello>(std::env::args_os(), &environment)
}
