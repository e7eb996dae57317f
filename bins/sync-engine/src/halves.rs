//! `sync-engine read` and `sync-engine write`: one half of the pipe, for a program.

use engine::{Failure, Side, StreamDefaults, catalog};
use protocol::{Class, SourceState, exit};

use crate::cli::{ReadArgs, StateArgs, WriteArgs};
use crate::given_keys::GivenKeys;
use crate::session;
use crate::settings::{document, selected, span};
use crate::signals::Signals;
use crate::state;
use crate::surroundings::Surroundings;

/// Messages of the source on stdout.
pub(crate) async fn read(
    args: &ReadArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (settings, host) = session::open(&args.connection, keys, surroundings)?;
    let mut job = session::job(settings, &StateArgs::default());
    if !args.streams.is_empty() {
        job.streams = selected(&args.streams);
    }
    job.defaults = StreamDefaults {
        backfill_limit: args.backfill_limit,
        time_range: span(args.since.as_deref(), args.until.as_deref())?,
    };
    job.follow = args.follow;
    let state = match &args.from_state {
        Some(text) => state::read(text)?.source,
        None => SourceState::default(),
    };
    let signals = watch()?;
    let out = tokio::io::stdout();
    Box::pin(engine::read(&job, &host, &state, out, signals.receiver())).await?;
    Ok(exit::OK)
}

/// Messages on stdin to the destination; what it confirms on stdout.
pub(crate) async fn write(
    args: &WriteArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (settings, host) = session::open(&args.connection, keys, surroundings)?;
    let unreadable = |error| Failure::config(format!("reading `--catalog`: {error}"));
    let catalog = document("--catalog", &args.catalog)?;
    let catalog = catalog::parse(catalog).map_err(unreadable)?;
    let signals = watch()?;
    let pipes = (tokio::io::stdin(), tokio::io::stdout());
    let (given, stop) = (&settings.destination, signals.receiver());
    Box::pin(engine::write(given, &host, &catalog, pipes, stop)).await?;
    Ok(exit::OK)
}

fn watch() -> Result<Signals, Failure> {
    Signals::watch().map_err(|error| {
        let message = format!("waiting for signals: {error}");
        Failure::new(Side::Engine, Class::Internal, "signals", message)
    })
}
