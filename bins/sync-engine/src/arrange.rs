//! `sync-engine setup` and `sync-engine teardown`.

use std::io::{BufRead as _, IsTerminal as _};

use engine::resolve::Role;
use engine::{Failure, pipeline};
use protocol::exit;

use crate::cli::{ConnectionArgs, Only, SetupArgs, TeardownArgs};
use crate::given_keys::GivenKeys;
use crate::output::{Plain, Volume, Watcher};
use crate::session;
use crate::settings::{Settings, selected};
use crate::surroundings::Surroundings;

/// Sets up both sides, or one.
pub(crate) async fn setup(
    args: &SetupArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (settings, host) = session::open(&args.connection, keys, surroundings)?;
    let to = pipeline::describe(&settings.destination.connector);
    let mut job = session::job(settings, &args.state);
    if !args.streams.is_empty() {
        job.streams = selected(&args.streams);
    }
    let mut watcher = watcher(&args.connection);
    Box::pin(engine::setup(&job, &host, args.only.map(Role::from), &mut watcher)).await?;
    crate::say(&format!("ready: {} -> {to}", job.source.connector.connector_type));
    Ok(exit::OK)
}

/// Removes what setup made. What is removed is named on the command line or in the file of
/// `--config`, never by a variable that happens to be set.
pub(crate) async fn teardown(
    args: &TeardownArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let only = args.only.map(Role::from);
    let named = &args.connection;
    let is_named = named.sqlite.is_some()
        || named.postgres_url.is_some()
        || named.sheets_id.is_some()
        || named.destination.is_some()
        || named.config.is_some()
        || !keys.destination.is_empty();
    if only != Some(Role::Source) && !is_named {
        return Err(Failure::config(
            "teardown removes only what is named; give `--postgres-url`, `--sqlite`, `--sheets-id`, `--destination` or `--config`",
        ));
    }
    let surroundings = &surroundings.without(&["POSTGRES_URL", "DATABASE_URL"]);
    let settings = Settings::gather(&args.connection, keys, surroundings)?;
    let what = match only {
        Some(Role::Source) => {
            format!("what setup made at {}", settings.source.connector.connector_type)
        }
        _ => format!("the copy in {}", pipeline::describe(&settings.destination.connector)),
    };
    if !args.yes && !agreed(&what)? {
        crate::say("nothing was removed");
        return Ok(exit::OK);
    }
    let host = session::host(&args.connection, &settings, surroundings)?;
    let job = session::job(settings, &args.state);
    let mut watcher = watcher(&args.connection);
    Box::pin(engine::teardown(&job, &host, only, &mut watcher)).await?;
    crate::say(&format!("removed: {what}"));
    Ok(exit::OK)
}

impl From<Only> for Role {
    fn from(only: Only) -> Self {
        match only {
            Only::Source => Self::Source,
            Only::Destination => Self::Destination,
        }
    }
}

/// One line at least about what was done.
fn watcher(args: &ConnectionArgs) -> Watcher {
    let verbose = args.verbose.saturating_add(1);
    Watcher::new(Plain::new(Volume::of(args.quiet, verbose)), false)
}

/// Asks the person at the terminal.
fn agreed(what: &str) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::config(format!(
            "nobody can be asked whether to remove {what}; say `--yes` if it is meant"
        )));
    }
    crate::say(&format!("remove {what}? Rows are lost. Type `yes`:"));
    let mut answer = String::new();
    let asking = |error| Failure::config(format!("reading the answer: {error}"));
    stdin.lock().read_line(&mut answer).map_err(asking)?;
    Ok(answer.trim() == "yes")
}
