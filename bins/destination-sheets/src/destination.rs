//! The connector: what the harness calls, in terms of the other modules.

use connector::{
    About, Batch, BatchLimits, DeadLetter, Destination, Emitter, Error, Liaison, Loaded, Shape,
    StreamPlan,
};
use protocol::{ConfiguredCatalog, Level, Spec};

use crate::check::check;
use crate::client::Client;
use crate::config::{Config, Options, spec};
use crate::letters;
use crate::rest::Rest;
use crate::schema::Schema;
use crate::setup::{planned, setup};
use crate::teardown::teardown;
use crate::write::Writer;

/// Writes records into a Google spreadsheet.
#[derive(Debug)]
pub struct SheetsDestination {
    options: Options,
    rest: Rest,
    writer: Option<Writer>,
}

impl SheetsDestination {
    fn schemas(&self, plans: &[StreamPlan]) -> Result<Vec<Schema>, Error> {
        plans.iter().map(|plan| Schema::of(plan, self.options.value_mode)).collect()
    }
}

impl Destination for SheetsDestination {
    const ABOUT: About = About {
        name: "destination-sheets",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes NDJSON records into a Google spreadsheet.",
        example: "destination-sheets setup --config sheets.json --catalog catalog.json\n  \
                  source-stripe read … | destination-sheets write --config sheets.json --catalog catalog.json\n\n\
                  sheets.json: {\"spreadsheet_id\":\"1AbC…\",\"service_account\":\"key.json\"}",
        environment: &[
            ("client_id", &["GOOGLE_CLIENT_ID"]),
            ("client_secret", &["GOOGLE_CLIENT_SECRET"]),
        ],
    };
    type Config = Config;

    fn spec() -> Spec {
        spec()
    }

    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self { options: Options::of(config)?, rest: Rest::default(), writer: None })
    }

    async fn check(&mut self, plans: &[StreamPlan], _: &mut Emitter) -> Result<String, Error> {
        check(&self.options, &self.schemas(plans)?).await
    }

    async fn setup(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<(), Error> {
        setup(&self.options, &self.schemas(plans)?, out).await
    }

    async fn plan_setup(&mut self, plans: &[StreamPlan]) -> Result<Vec<String>, Error> {
        planned(&self.options, &self.schemas(plans)?).await
    }

    async fn teardown(
        &mut self,
        streams: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let said = teardown(&self.options, streams).await?;
        out.log(Level::Info, said).await
    }

    fn limits(&self) -> BatchLimits {
        self.options.limits
    }

    fn echoes_records(&self) -> bool {
        self.options.echo_records
    }

    fn meet(&mut self, liaison: Liaison) {
        self.rest = Rest::new(liaison);
    }

    async fn begin(&mut self, plans: &[StreamPlan]) -> Result<Loaded, Error> {
        let (mut schemas, mut unwritable) = (Vec::new(), Loaded::default());
        for plan in plans {
            match Schema::of(plan, self.options.value_mode) {
                Ok(schema) => schemas.push(schema),
                Err(error) => {
                    unwritable.streams.insert(plan.name().to_owned(), Err(error));
                }
            }
        }
        let (writer, failed) = Writer::begin(&self.options, schemas, self.rest.clone()).await?;
        self.writer = Some(writer);
        unwritable.streams.extend(failed.streams);
        Ok(unwritable)
    }

    fn shape(&self, _: &StreamPlan) -> Shape {
        let mut shape = Shape::default();
        shape.replaces_characters = true;
        shape
    }

    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(Error::internal("writing a batch before anything was opened"));
        };
        writer.load(&batch).await
    }

    async fn dead_letters(
        &mut self,
        stream: Option<&str>,
        after: i64,
    ) -> Result<Vec<DeadLetter>, Error> {
        // Without a spreadsheet nothing was ever refused.
        let Some(spreadsheet) = &self.options.spreadsheet else { return Ok(Vec::new()) };
        let mut client = Client::open(&self.options)?;
        letters::list(&mut client, spreadsheet, (stream, after)).await
    }

    async fn forget(&mut self, gone: &[DeadLetter]) -> Result<(), Error> {
        let Some(spreadsheet) = &self.options.spreadsheet else { return Ok(()) };
        letters::forget(&mut Client::open(&self.options)?, spreadsheet, gone).await
    }
}
