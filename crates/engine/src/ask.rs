//! Questions to connectors that move no data: does it work, what is there, what would happen.

use protocol::{
    Catalog, Class, ConnectionStatus, Log, Message, Stream, StreamRunStatus, Timestamp,
};

use crate::catalog::{is_limited, select, unselected};
use crate::client::Opening;
use crate::config::{Config, is_secret};
use crate::failure::Failure;
use crate::job::{Given, Host, Job};
use crate::keeper::Keeper;
use crate::pipeline::{self, Account};
use crate::ready::narrow;
use crate::resolve::Role;
use crate::runlog::RunRecord;

/// Asks one connector whether it works, and says what else it told.
///
/// With a job its source is asked stream by stream for what the job wants.
///
/// # Errors
///
/// When it does not, with whom that concerns.
pub async fn check(
    host: &Host,
    role: Role,
    given: &Given,
    streams_of: Option<&Job>,
) -> Result<(ConnectionStatus, Vec<Log>), Failure> {
    let opened = Box::pin(host.open(role, given)).await?;
    let (connector, config) = (&opened.connector, &opened.config.config);
    let catalog = match streams_of {
        None => None,
        Some(job) => {
            let discovered = connector.discover(&host.launcher, config).await?.0;
            let chosen = select(&discovered, &job.streams);
            Some(chosen.map_err(|error| unselected(&error, &opened.spec))?)
        }
    };
    let (status, answer) = connector.check(&host.launcher, config, catalog.as_ref()).await?;
    Ok((status, logs(answer)))
}

/// Asks a source for its streams.
///
/// # Errors
///
/// When it does not tell them.
pub async fn discover(host: &Host, given: &Given) -> Result<Catalog, Failure> {
    let opened = Box::pin(host.open(Role::Source, given)).await?;
    let asked = opened.connector.discover(&host.launcher, &opened.config.config).await;
    asked.map(|(catalog, _)| catalog)
}

/// What a run would do.
#[derive(Debug)]
pub struct Outlook {
    /// What would go where.
    pub opening: Opening,
    /// Every stream, how it would begin, and its records in the last run.
    pub streams: Vec<Foreseen>,
    /// What setup of the destination would do; `None` when it cannot tell.
    pub setup: Option<Vec<String>>,
    /// The source's completed configuration, without secrets.
    pub source: Config,
    /// The run that would go on, if one is unfinished.
    pub unfinished: Option<String>,
    /// The upper bound of time.
    pub time_ceiling: Option<Timestamp>,
}

/// A stream of a run that was not begun.
#[derive(Debug)]
pub struct Foreseen {
    /// The stream.
    pub stream: Stream,
    /// How it would begin.
    pub begins: Beginning,
    /// Its records in the last run that is known, if it was complete there.
    pub known_count: Option<u64>,
}

/// How a stream would begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// From the start.
    Afresh,
    /// From where it was.
    Resumed,
    /// Not at all: it is done in the unfinished run.
    Done,
}

/// Looks at what a run would do; changes nothing anywhere.
///
/// # Errors
///
/// When a connector does not answer, or the store cannot be read.
pub async fn foresee(job: &Job, host: &Host) -> Result<Outlook, Failure> {
    let source = Box::pin(host.open(Role::Source, &job.source)).await?;
    let destination = Box::pin(host.open(Role::Destination, &job.destination)).await?;
    let config = &destination.config.config;
    destination.connector.check(&host.launcher, config, None).await?;
    let discovered = source.connector.discover(&host.launcher, &source.config.config).await?.0;
    let mut catalog =
        select(&discovered, &job.streams).map_err(|error| unselected(&error, &source.spec))?;
    narrow(&mut catalog, job.defaults);
    let mut keeper = Keeper::find(job, host).await?;
    let state = keeper.export().await?;
    let names = || catalog.streams.iter().map(|configured| configured.stream.name.as_str());
    let last = keeper.runs(1).await?.pop();
    let run = match &job.run_id {
        Some(run_id) => keeper.run(run_id).await?,
        None => last.clone().filter(|run| job.may_go_on() && run.goes_on_with(names())),
    };
    let begins = |stream: &Stream| match &run {
        _ if job.refreshes(&stream.name) => Beginning::Afresh,
        Some(run) if is_done(run, &stream.name) => Beginning::Done,
        _ if state.source.streams.contains_key(&stream.name) => Beginning::Resumed,
        _ => Beginning::Afresh,
    };
    let streams: Vec<Foreseen> = catalog
        .streams
        .iter()
        .map(|configured| Foreseen {
            stream: configured.stream.clone(),
            begins: begins(&configured.stream),
            known_count: last.as_ref().and_then(|last| known_count(last, &configured.stream.name)),
        })
        .collect();
    let resumed = streams.iter().filter(|stream| stream.begins == Beginning::Resumed);
    let opening = Opening {
        pipeline: keeper.pipeline.clone(),
        source: source.config.connector_type.clone(),
        account: Account::of(&discovered),
        destination: pipeline::describe(&destination.config),
        store: keeper.describe(),
        stream_count: streams.len(),
        resumed_count: resumed.count(),
        is_limited: is_limited(&source.config.config, &catalog),
        follow: job.follow,
    };
    let asked = (&destination.spec, &destination.config.config);
    let setup = destination.connector.plan_setup(&host.launcher, asked, &catalog).await?;
    let time_ceiling = run.as_ref().and_then(|run| run.time_ceiling);
    let unfinished = run.filter(RunRecord::is_open).map(|run| run.run_id);
    let spec = source.spec;
    let mut source = source.config.config;
    source.retain(|key, _| !is_secret(&spec, key));
    Ok(Outlook { opening, streams, setup, source, unfinished, time_ceiling })
}

fn known_count(run: &RunRecord, stream: &str) -> Option<u64> {
    let stream = run.progress.streams.get(stream)?;
    (stream.status == StreamRunStatus::Completed).then_some(stream.record_count)
}

fn is_done(run: &RunRecord, stream: &str) -> bool {
    run.progress.streams.get(stream).is_some_and(|stream| stream.status.is_terminal())
}

/// Asks a destination for the records that it could not store or, to `retry`, has it try again.
///
/// # Errors
///
/// When it fails, or keeps none.
pub async fn dead_letters(
    job: &Job,
    host: &Host,
    retry: bool,
    stream: Option<&str>,
) -> Result<Vec<Log>, Failure> {
    if let Some(name) = stream.filter(|name| name.contains(char::is_whitespace)) {
        return Err(Failure::config(format!("`{name}` is no stream's name")));
    }
    let destination = Box::pin(host.open(Role::Destination, &job.destination)).await?;
    let connector = &destination.connector;
    let catalog = if retry {
        let catalog = discover(host, &job.source).await?;
        Some(select(&catalog, &job.streams).map_err(Failure::config)?)
    } else {
        None
    };
    let config = &destination.config.config;
    let answer = connector.dead_letters(&host.launcher, config, catalog.as_ref(), stream).await?;
    let Some(answer) = answer else {
        let message = format!("{} keeps no dead letters", connector.program.name);
        return Err(connector.failure(Class::Config, "no_dead_letters", message));
    };
    Ok(logs(answer))
}

fn logs(answer: Vec<Message>) -> Vec<Log> {
    let log = |message| if let Message::Log(log) = message { Some(log) } else { None };
    answer.into_iter().filter_map(log).collect()
}
