//! Both connectors found, asked and set up: all that comes before state is looked at.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use protocol::{Catalog, ConfiguredCatalog, Control, Level, Message};
use tokio::time::interval;

use crate::catalog::{refuse_unknown_streams, select, unselected};
use crate::client::Client;
use crate::config::{self, Config};
use crate::control::{adopt, kept_for, load_secrets, secrets_file};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::job::{FullRefresh, Host, Job, Opened, StreamDefaults};
use crate::pipeline::{self, Account};
use crate::resolve::Role;
use crate::store::{Holder, Kept, Store};

/// How often a run that waits for a connector says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// What is ready to run.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The pipeline's name.
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) source: Opened,
    pub(crate) destination: Opened,
    pub(crate) catalog: ConfiguredCatalog,
    /// What the store knew before anything was set up.
    pub(crate) kept: Kept,
    /// What the destination said when it was set up.
    pub(crate) answer: Vec<Message>,
    pub(crate) holder: Holder,
}

/// Opens both sides and sets them up, or `only` one of them; the desk has the store then.
pub(crate) async fn ready<C: Client>(
    job: &Job,
    host: &Host,
    only: Option<Role>,
    desk: &mut Desk<'_, C>,
) -> Result<Ready, Failure> {
    let (source, destination) = tokio::join!(
        Box::pin(host.open(Role::Source, &job.source)),
        Box::pin(host.open(Role::Destination, &job.destination)),
    );
    let (mut source, mut destination) = (source?, destination?);
    let mut discovered = discover(host, &source, desk).await?;
    let account = Account::of(&discovered);
    let name = job.pipeline.clone().unwrap_or_else(|| {
        pipeline::name(&source.config, &account, &destination.config, &destination.spec)
    });
    desk.store = Store::choose(&job.store, &name, &destination.config, &host.state_folder)
        .map_err(|error| desk.failure(&error))?;
    let holder = Holder::of_this_process(&host.run_id);
    desk.store.acquire(&holder).await.map_err(|error| desk.failure(&error))?;
    let kept = desk.store.load().await.map_err(|error| desk.failure(&error))?;
    let own = |role| own_values(host, &name, role, &kept.pipeline.pinned);
    if host.complete(Role::Source, &mut source, &own(Role::Source)?)? {
        discovered = discover(host, &source, desk).await?;
    }
    host.complete(Role::Destination, &mut destination, &own(Role::Destination)?)?;
    let mut catalog =
        select(&discovered, &job.streams).map_err(|error| unselected(&error, &source.spec))?;
    if let Some(FullRefresh::Streams(names)) = &job.full_refresh {
        refuse_unknown_streams(&discovered, names)
            .map_err(|error| unselected(&error, &source.spec))?;
    }
    narrow(&mut catalog, job.defaults);
    mark_run(&mut destination, &host.run_id);
    desk.pipeline = kept.pipeline.clone();
    desk.pipeline.pinned.extend(config::pins(&source.spec, &source.config.config));
    if only != Some(Role::Destination) {
        set_up(host, (&name, Role::Source), &mut source, &catalog, desk).await?;
    }
    let answer = match only {
        Some(Role::Source) => Vec::new(),
        _ => set_up(host, (&name, Role::Destination), &mut destination, &catalog, desk).await?,
    };
    Ok(Ready { name, account, source, destination, catalog, kept, answer, holder })
}

/// What a side gave back in an earlier run: with the pipeline, and in the file of its secrets.
pub(crate) fn own_values(
    host: &Host,
    name: &str,
    role: Role,
    pinned: &Config,
) -> Result<Config, Failure> {
    let path = secrets_file(&host.state_folder, name, role);
    let secrets = load_secrets(&path).map_err(|error| {
        Failure::config(format!("reading secrets from `{}`: {error}", path.display()))
    })?;
    let mut own = kept_for(role, pinned);
    own.extend(secrets);
    Ok(own)
}

async fn discover<C: Client>(
    host: &Host,
    source: &Opened,
    desk: &mut Desk<'_, C>,
) -> Result<Catalog, Failure> {
    let asked = source.connector.discover(&host.launcher, &source.config.config);
    let (catalog, answer) = beating(desk, asked).await?;
    relay(&format!("source/{}", source.config.connector_type), &answer, desk).await;
    Ok(catalog)
}

/// Has one side prepare itself; a configuration that it gives back is taken in.
async fn set_up<C: Client>(
    host: &Host,
    side: (&str, Role),
    opened: &mut Opened,
    catalog: &ConfiguredCatalog,
    desk: &mut Desk<'_, C>,
) -> Result<Vec<Message>, Failure> {
    let (name, role) = side;
    let setup = opened.connector.setup(&host.launcher, &opened.config.config, catalog);
    let answer = beating(desk, setup).await?;
    relay(&format!("{role}/{}", opened.config.connector_type), &answer, desk).await;
    for message in &answer {
        let Message::Control(control) = message else { continue };
        let after = match (role, control) {
            (Role::Source, Control::SourceConfig { source_config: config })
            | (Role::Destination, Control::DestinationConfig { destination_config: config }) => {
                config.clone()
            }
            (Role::Source, Control::DestinationConfig { .. })
            | (Role::Destination, Control::SourceConfig { .. }) => continue,
        };
        let secrets = secrets_file(&host.state_folder, name, role);
        if let Some(told) = adopt(role, opened, after, &mut desk.pipeline.pinned, &secrets) {
            desk.log(Level::Warn, told).await;
        }
    }
    Ok(answer)
}

/// Waits for a connector while the run goes on saying that it lives: a setup may take longer than a
/// lease lasts.
async fn beating<T, C: Client>(desk: &mut Desk<'_, C>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut beats = interval(BEAT);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = beats.tick() => desk.beat().await,
        }
    }
}

/// Passes on what a connector says to people. A new configuration is not for them: it may hold
/// secrets.
pub(crate) async fn relay<C: Client>(emitted_by: &str, answer: &[Message], desk: &mut Desk<'_, C>) {
    for message in answer {
        if let Message::Log(log) = message {
            desk.relay(emitted_by, log).await;
        }
    }
}

pub(crate) fn narrow(catalog: &mut ConfiguredCatalog, defaults: StreamDefaults) {
    for stream in &mut catalog.streams {
        stream.backfill_limit = stream.backfill_limit.or(defaults.backfill_limit);
        if stream.supports_time_range != Some(false) {
            stream.time_range = stream.time_range.or(defaults.time_range);
        }
    }
}

/// A destination that marks its places with the run gets the run's id.
fn mark_run(destination: &mut Opened, run_id: &str) {
    if config::has_key(&destination.spec, RUN_KEY) {
        destination.config.config.insert(RUN_KEY.to_owned(), run_id.into());
    }
}

const RUN_KEY: &str = "run_id";
