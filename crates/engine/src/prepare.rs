//! From what is asked to what is run: connectors opened, streams chosen, places made, state loaded.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::{Catalog, ConfiguredCatalog, Control, Level, Message, Spec, Timestamp};
use tokio::time::Instant;

use crate::catalog::{bound, leave_out_done, select};
use crate::client::{Client, Opening};
use crate::config::{self, Config};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::job::{FullRefresh, Host, Job, Opened, StreamDefaults};
use crate::limits::Budget;
use crate::pipeline::{self, Account};
use crate::places;
use crate::progress;
use crate::reduce::Run;
use crate::resolve::Role;
use crate::runlog::RunRecord;
use crate::store::{Holder, Kept, Pipeline, Store};

/// What is run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) source: Opened,
    pub(crate) destination: Opened,
    pub(crate) catalog: ConfiguredCatalog,
    pub(crate) budget: Budget,
    pub(crate) stall: Duration,
    /// Whether the run began in an earlier call.
    pub(crate) is_continued: bool,
}

/// Prepares a job; afterwards the desk has the store, open for saving, and the run begins where
/// the store left off.
pub(crate) async fn prepare<C: Client>(
    job: &Job,
    host: &Host,
    began: Instant,
    desk: &mut Desk<'_, C>,
) -> Result<(Plan, Run), Failure> {
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
    if host.complete(Role::Source, &mut source, &kept.pipeline.pinned)? {
        discovered = discover(host, &source, desk).await?;
    }
    let mut catalog = select(&discovered, &job.streams).map_err(Failure::config)?;
    narrow(&mut catalog, job.defaults);
    mark_run(&mut destination, &host.run_id);
    let answer = set_up(host, &mut destination, &catalog, desk).await?;
    desk.store.prepare().await.map_err(|error| desk.failure(&error))?;
    let kept = hold(&holder, kept, desk).await?;
    let (kept, afresh) = admit(job, &source.spec, kept, &places::told(&answer), desk).await?;
    let pins = config::pins(&source.spec, &source.config.config);
    let mut run = begin(host, pins, kept, desk).await?;
    let record = enter(job, host, &catalog, &afresh, desk).await?;
    let is_continued = record.calls > 1;
    join(&mut run, &mut catalog, &record, (host.now)());
    desk.enter(record).await?;
    desk.open(&Opening {
        pipeline: name,
        source: source.config.connector_type.clone(),
        account,
        destination: pipeline::describe(&destination.config),
        store: desk.store.describe(),
        stream_count: catalog.streams.len(),
        resumed_count: resumed_count(&catalog, &run),
    })
    .await;
    let budget = Budget::new(&job.limits, began, destination.spec.soft_limit_fraction);
    let stall = job.limits.stall;
    Ok((Plan { source, destination, catalog, budget, stall, is_continued }, run))
}

/// Takes the pipeline where that was not possible before, and looks again at what is known of it.
async fn hold<C: Client>(
    holder: &Holder,
    kept: Kept,
    desk: &mut Desk<'_, C>,
) -> Result<Kept, Failure> {
    if desk.store.is_held() {
        return Ok(kept);
    }
    desk.store.acquire(holder).await.map_err(|error| desk.failure(&error))?;
    desk.store.load().await.map_err(|error| desk.failure(&error))
}

async fn discover<C: Client>(
    host: &Host,
    source: &Opened,
    desk: &mut Desk<'_, C>,
) -> Result<Catalog, Failure> {
    let asked = source.connector.discover(&host.launcher, &source.config.config).await;
    let (catalog, answer) = asked?;
    relay(&format!("source/{}", source.config.connector_type), &answer, desk).await;
    Ok(catalog)
}

async fn set_up<C: Client>(
    host: &Host,
    destination: &mut Opened,
    catalog: &ConfiguredCatalog,
    desk: &mut Desk<'_, C>,
) -> Result<Vec<Message>, Failure> {
    let config = &destination.config.config;
    let answer = destination.connector.setup(&host.launcher, config, catalog).await?;
    for message in &answer {
        if let Message::Control(Control::DestinationConfig { destination_config }) = message {
            destination.config.config = destination_config.clone();
        }
    }
    relay(&format!("destination/{}", destination.config.connector_type), &answer, desk).await;
    Ok(answer)
}

/// Passes on what a connector says to people. A new configuration is not for them: it may hold
/// secrets.
async fn relay<C: Client>(emitted_by: &str, answer: &[Message], desk: &mut Desk<'_, C>) {
    for message in answer.iter().filter(|message| matches!(message, Message::Log(_))) {
        desk.tell(emitted_by, message).await;
    }
}

fn narrow(catalog: &mut ConfiguredCatalog, defaults: StreamDefaults) {
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

/// Takes from what was kept only what may be used for this copy and this source.
async fn admit<C: Client>(
    job: &Job,
    source: &Spec,
    mut kept: Kept,
    found: &protocol::Places,
    desk: &mut Desk<'_, C>,
) -> Result<(Kept, BTreeSet<String>), Failure> {
    let mut afresh = BTreeSet::new();
    for (stream, why) in places::strangers(&kept, found, desk.store.is_in_the_copy()) {
        desk.log(Level::Warn, format!("`{stream}` starts afresh: {why}")).await;
        afresh.insert(stream);
    }
    let unreadable = kept.unreadable.drain(..).chain(places::misfits(source, &kept.source));
    for (stream, why) in unreadable.collect::<Vec<_>>() {
        desk.log(Level::Warn, format!("`{stream}` starts afresh: its state does not fit: {why}"))
            .await;
        afresh.insert(stream);
    }
    if let Some(FullRefresh::Streams(streams)) = &job.full_refresh {
        afresh.extend(streams.iter().cloned());
    }
    forget(job, &mut kept, &afresh, desk).await?;
    // Streams that are not part of this run keep what is known of their places.
    kept.pipeline.places.extend(found.clone());
    Ok((kept, afresh))
}

async fn forget<C: Client>(
    job: &Job,
    kept: &mut Kept,
    afresh: &BTreeSet<String>,
    desk: &mut Desk<'_, C>,
) -> Result<(), Failure> {
    let had_any = !kept.source.streams.is_empty();
    kept.source.streams.retain(|stream, _| !afresh.contains(stream));
    // A source that has lost all its streams has nothing to go on from.
    let all_lost = had_any && kept.source.streams.is_empty() && !afresh.is_empty();
    let reset = if job.full_refresh == Some(FullRefresh::All) || all_lost {
        kept.source = protocol::SourceState::default();
        desk.store.reset(None).await
    } else if afresh.is_empty() {
        Ok(())
    } else {
        desk.store.reset(Some(&afresh.iter().cloned().collect::<Vec<_>>())).await
    };
    reset.map_err(|error| desk.failure(&error))
}

/// The run at its beginning; its id is stored before anything is written.
async fn begin<C: Client>(
    host: &Host,
    pinned: Config,
    kept: Kept,
    desk: &mut Desk<'_, C>,
) -> Result<Run, Failure> {
    desk.pipeline = Pipeline {
        places: kept.pipeline.places.clone(),
        last_run: Some(host.run_id.clone()),
        pinned,
    };
    let saved = desk.store.save(crate::reduce::Unsaved::default(), Some(&desk.pipeline)).await;
    saved.map_err(|error| desk.failure(&error))?;
    let mut run = Run {
        places: kept.pipeline.places,
        run_id: host.run_id.clone(),
        saved: kept.source.clone(),
        ..Run::default()
    };
    run.state.source = kept.source;
    Ok(run)
}

/// The run that this call belongs to: one that was not finished, or a new one.
async fn enter<C: Client>(
    job: &Job,
    host: &Host,
    catalog: &ConfiguredCatalog,
    afresh: &BTreeSet<String>,
    desk: &mut Desk<'_, C>,
) -> Result<RunRecord, Failure> {
    let found = match &job.run_id {
        Some(run_id) => desk.store.run(run_id).await,
        None if job.full_refresh.is_some() => Ok(None),
        None => desk
            .store
            .runs(1)
            .await
            .map(|mut runs| runs.pop().filter(|run| run.goes_on_with(names(catalog)))),
    };
    let mut record = found.map_err(|error| desk.failure(&error))?.unwrap_or_else(|| {
        let name = job.run_id.as_ref().unwrap_or(&host.run_id);
        RunRecord::new(name, &job.trigger, (host.now)())
    });
    if job.full_refresh == Some(FullRefresh::All) {
        record.progress.streams.clear();
    }
    record.progress.streams.retain(|stream, _| !afresh.contains(stream));
    record.begin_call();
    Ok(record)
}

/// Makes the call a part of its run: what is done is left out, and time ends where the run's does.
fn join(run: &mut Run, catalog: &mut ConfiguredCatalog, record: &RunRecord, now: Timestamp) {
    let known = &record.progress.streams;
    let done = known.iter().filter(|(_, stream)| stream.status.is_terminal());
    let done: BTreeSet<String> = done.map(|(name, _)| name.clone()).collect();
    let of_run = &mut run.state.sync_run;
    of_run.progress = progress::resumed(record.progress.clone(), names(catalog), now);
    leave_out_done(catalog, &done);
    if let Some(ceiling) = record.time_ceiling {
        bound(catalog, ceiling);
    }
    of_run.run_id = Some(record.run_id.clone());
    of_run.time_ceiling = record.time_ceiling;
    run.request = progress::fresh(names(catalog), now);
}

fn names(catalog: &ConfiguredCatalog) -> impl Iterator<Item = &str> {
    catalog.streams.iter().map(|configured| configured.stream.name.as_str())
}

fn resumed_count(catalog: &ConfiguredCatalog, run: &Run) -> usize {
    let known = &run.saved.streams;
    catalog.streams.iter().filter(|stream| known.contains_key(&stream.stream.name)).count()
}
