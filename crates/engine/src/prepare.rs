//! From what is asked to what is run: connectors opened, streams chosen, places made, state loaded.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::{ConfiguredCatalog, Level, Spec, Timestamp};
use tokio::time::Instant;

use crate::catalog::{bound, is_limited, leave_out_done};
use crate::client::{Client, Opening};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::job::{FullRefresh, Host, Job, Opened};
use crate::limits::Budget;
use crate::pipeline;
use crate::places;
use crate::progress;
use crate::ready::{Ready, ready};
use crate::reduce::Run;
use crate::runlog::RunRecord;
use crate::store::{Holder, Kept};

/// What is run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The pipeline's name.
    pub(crate) name: String,
    pub(crate) source: Opened,
    pub(crate) destination: Opened,
    pub(crate) catalog: ConfiguredCatalog,
    pub(crate) budget: Budget,
    pub(crate) stall: Duration,
    /// Whether the run began in an earlier call.
    pub(crate) is_continued: bool,
    /// Whether the source goes on until it is stopped.
    pub(crate) follow: bool,
}

/// Prepares a job; afterwards the desk has the store, open for saving, and the run begins where
/// the store left off.
pub(crate) async fn prepare<C: Client>(
    job: &Job,
    host: &Host,
    began: Instant,
    desk: &mut Desk<'_, C>,
) -> Result<(Plan, Run), Failure> {
    let ready = ready(job, host, None, desk).await?;
    let Ready { name, account, source, destination, mut catalog, kept, answer, holder } = ready;
    desk.store.prepare().await.map_err(|error| desk.failure(&error))?;
    let kept = hold(&holder, kept, desk).await?;
    let (kept, afresh) = admit(job, &source.spec, kept, &places::told(&answer), desk).await?;
    let mut run = begin(host, kept, desk).await?;
    let record = enter(job, host, &catalog, &afresh, desk).await?;
    let is_continued = record.calls > 1;
    join(&mut run, &mut catalog, &record, (host.now)());
    desk.enter(record).await?;
    desk.open(&Opening {
        pipeline: name.clone(),
        source: source.config.connector_type.clone(),
        account,
        destination: pipeline::describe(&destination.config),
        store: desk.store.describe(),
        stream_count: catalog.streams.len(),
        resumed_count: resumed_count(&catalog, &run),
        follow: job.follow,
        is_limited: is_limited(&source.config.config, &catalog),
    })
    .await;
    let budget = Budget::new(&job.limits, began, destination.spec.soft_limit_fraction);
    let (stall, follow) = (job.limits.stall, job.follow);
    Ok((Plan { name, source, destination, catalog, budget, stall, is_continued, follow }, run))
}

/// Takes the pipeline where that was not possible before, and looks again at what is known of it.
pub(crate) async fn hold<C: Client>(
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

/// Takes from what was kept only what may be used for this copy and this source.
async fn admit<C: Client>(
    job: &Job,
    source: &Spec,
    mut kept: Kept,
    found: &protocol::Places,
    desk: &mut Desk<'_, C>,
) -> Result<(Kept, BTreeSet<String>), Failure> {
    let mut afresh = BTreeSet::new();
    let strangers = places::strangers(&kept, found, desk.store.is_in_the_copy());
    let is_another = |stream| strangers.get(stream) == Some(&places::Stranger::Another);
    let streams = &kept.source.streams;
    let is_empty = !streams.is_empty() && streams.keys().all(is_another);
    for (stream, why) in strangers {
        desk.log(Level::Warn, format!("`{stream}` starts afresh: {}", why.describe())).await;
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
    if job.full_refresh == Some(FullRefresh::All) {
        afresh.extend(kept.source.streams.keys().cloned());
    }
    forget(&mut kept, &afresh, is_empty, desk).await?;
    // Streams that are not part of this run keep what is known of their places.
    kept.pipeline.places.extend(found.clone());
    Ok((kept, afresh))
}

/// Forgets streams; with `is_empty`, that nothing is left in the copy, also the source as a whole.
async fn forget<C: Client>(
    kept: &mut Kept,
    afresh: &BTreeSet<String>,
    is_empty: bool,
    desk: &mut Desk<'_, C>,
) -> Result<(), Failure> {
    kept.source.streams.retain(|stream, _| !afresh.contains(stream));
    // As long as there are rows, the source has to know from when on they may have changed.
    let reset = if is_empty {
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
async fn begin<C: Client>(host: &Host, kept: Kept, desk: &mut Desk<'_, C>) -> Result<Run, Failure> {
    desk.pipeline.places.clone_from(&kept.pipeline.places);
    desk.pipeline.last_run = Some(host.run_id.clone());
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

/// Runs of which one may have made the last request of the month.
const RECENT: u32 = 20;

/// The run that this call belongs to: one that was not finished, or a new one.
async fn enter<C: Client>(
    job: &Job,
    host: &Host,
    catalog: &ConfiguredCatalog,
    afresh: &BTreeSet<String>,
    desk: &mut Desk<'_, C>,
) -> Result<RunRecord, Failure> {
    let recent = desk.store.runs(RECENT).await.map_err(|error| desk.failure(&error))?;
    let found = match &job.run_id {
        Some(run_id) => desk.store.run(run_id).await,
        None => {
            let goes_on = |run: &&RunRecord| job.may_go_on() && run.goes_on_with(names(catalog));
            Ok(recent.first().filter(goes_on).cloned())
        }
    };
    let mut record = found.map_err(|error| desk.failure(&error))?.unwrap_or_else(|| {
        let name = job.run_id.as_ref().unwrap_or(&host.run_id);
        let record = RunRecord::new(name, &job.trigger, (host.now)());
        if job.follow { record.following() } else { record }
    });
    if job.full_refresh == Some(FullRefresh::All) {
        record.progress.streams.clear();
    }
    record.progress.streams.retain(|stream, _| !afresh.contains(stream));
    for run in &recent {
        record.tally.carry(&run.tally, (host.now)());
    }
    record.begin_call();
    Ok(record)
}

/// Makes the call a part of its run: what is done is left out, and time ends where the run's does.
fn join(run: &mut Run, catalog: &mut ConfiguredCatalog, record: &RunRecord, now: Timestamp) {
    let known = &record.progress.streams;
    let done = known.iter().filter(|(_, stream)| stream.status.is_terminal());
    let done: BTreeSet<String> = done.map(|(name, _)| name.clone()).collect();
    run.tally.clone_from(&record.tally);
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
