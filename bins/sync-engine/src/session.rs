//! What the engine runs on: this program's own step, folder, clock and ids.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::sync::Arc;

use engine::child::{Launcher, Listener};
use engine::resolve::{Resolver, Role};
use engine::{Failure, Host, Job, Keeper, Limits, StreamDefaults};
use protocol::{Timestamp, is_connector_type};

use crate::cli::{ConnectionArgs, StateArgs};
use crate::given_keys::GivenKeys;
use crate::output::Live;
use crate::settings::{Settings, places_of_key};
use crate::surroundings::Surroundings;

/// The hidden verb with which this program starts itself to become a connector.
pub(crate) const STEP: &str = "__child";

/// What the command line says, and what a command with connections runs on.
pub(crate) fn open(
    args: &ConnectionArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<(Settings, Host), Failure> {
    let settings = Settings::gather(args, keys, surroundings)?;
    let host = host(args, &settings, surroundings)?;
    Ok((settings, host))
}

/// The host of a command with connections.
pub(crate) fn host(
    args: &ConnectionArgs,
    settings: &Settings,
    surroundings: &Surroundings,
) -> Result<Host, Failure> {
    let kinds = (
        settings.source.connector.connector_type.clone(),
        settings.destination.connector.connector_type.clone(),
    );
    let listener: Listener = Arc::new(|name, line| crate::say(&format!("{name}: {line}")));
    let launcher = Launcher {
        step: step(),
        listener: (args.verbose > 0).then_some(listener),
        patience: Some(Limits::default().stall),
    };
    Ok(Host {
        launcher,
        resolver: resolver(&args.connector, surroundings)?,
        now,
        run_id: uuid::Uuid::new_v4().to_string(),
        places: Arc::new(move |role, key| match role {
            Role::Source => places_of_key(role, &kinds.0, key),
            Role::Destination => places_of_key(role, &kinds.1, key),
        }),
        state_folder: surroundings.state_folder(),
    })
}

/// What is kept of the pipeline that the command line describes.
pub(crate) async fn keeper(
    args: &ConnectionArgs,
    state: &StateArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<Keeper, Failure> {
    let (settings, host) = open(args, keys, surroundings)?;
    Box::pin(Keeper::find(&job(settings, state), &host)).await
}

/// A pipeline without anything asked of a run.
pub(crate) fn job(settings: Settings, state: &StateArgs) -> Job {
    Job {
        source: settings.source,
        destination: settings.destination,
        streams: settings.streams,
        defaults: StreamDefaults::default(),
        full_refresh: None,
        pipeline: state.pipeline.clone(),
        store: state.store(),
        run_id: None,
        trigger: trigger().to_owned(),
        limits: Limits::default(),
        follow: false,
    }
}

/// Where connectors are looked for.
pub(crate) fn resolver(
    overrides: &[String],
    surroundings: &Surroundings,
) -> Result<Resolver, Failure> {
    let mut commands = BTreeMap::new();
    for text in overrides {
        let (role, kind, command) = overridden(text).ok_or_else(|| {
            Failure::config(format!(
                "`--connector {text}` names no connector; write `--connector source.TYPE='COMMAND'`"
            ))
        })?;
        commands.insert((role, kind.to_owned()), command.to_owned());
    }
    Ok(Resolver { beside: surroundings.beside(), path: surroundings.path(), overrides: commands })
}

fn overridden(text: &str) -> Option<(Role, &str, &str)> {
    let (name, command) = text.split_once('=')?;
    let (role, kind) = name.split_once('.')?;
    let role = match role {
        "source" => Role::Source,
        "destination" => Role::Destination,
        _ => return None,
    };
    is_connector_type(kind).then_some((role, kind, command))
}

/// The step that ties a child to this process; where it cannot, children are started directly and
/// end with their pipes.
#[cfg(target_os = "linux")]
pub(crate) fn step() -> Vec<OsString> {
    // By this name it is the running program, also after another was installed over it.
    let words = ["/proc/self/exe".to_owned(), STEP.to_owned(), std::process::id().to_string()];
    words.map(OsString::from).to_vec()
}

/// See above.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn step() -> Vec<OsString> {
    Vec::new()
}

/// What started this program: a person at a terminal, or another program.
pub(crate) fn trigger() -> &'static str {
    if std::io::stderr().is_terminal() { "terminal" } else { "program" }
}

/// A live view, where stderr is a terminal that can be drawn on.
pub(crate) fn live(surroundings: &Surroundings) -> Option<Live> {
    let is_dumb = surroundings.variable("TERM").is_none_or(|term| term == "dumb");
    let colour = surroundings.variable("NO_COLOR").is_none();
    (std::io::stderr().is_terminal() && !is_dumb).then(|| Live::new(colour))
}

/// The clock.
#[expect(clippy::disallowed_methods, reason = "the program's one clock, handed in from here")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}
