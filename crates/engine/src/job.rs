//! What is asked of the engine, and what it runs on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::{Class, ConnectorConfig, SelectedStream, Spec, Timestamp};

use crate::call::Connector;
use crate::child::Launcher;
use crate::config::{self, Config};
use crate::failure::{Failure, Side};
use crate::limits::Limits;
use crate::resolve::{Resolver, Role};
use crate::store::StoreChoice;

/// A connector as somebody described it.
#[derive(Debug, Clone)]
pub struct Given {
    /// Type and configuration.
    pub connector: ConnectorConfig,
    /// Values that were given as text and win over the configuration; the spec says their kind.
    pub texts: BTreeMap<String, String>,
}

/// Which streams begin afresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FullRefresh {
    /// All of them.
    All,
    /// These.
    Streams(Vec<String>),
}

/// One sync.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where data comes from.
    pub source: Given,
    /// Where it goes.
    pub destination: Given,
    /// What to copy; empty means the usual.
    pub streams: Vec<SelectedStream>,
    /// Narrows every stream that the selection leaves open.
    pub defaults: StreamDefaults,
    /// Streams whose states are forgotten before the run. That of the source as a whole stays: it says
    /// from when on rows that are there may have changed.
    pub full_refresh: Option<FullRefresh>,
    /// The pipeline's name; derived when absent.
    pub pipeline: Option<String>,
    /// Where state is kept.
    pub store: StoreChoice,
    /// The run's name; without one an unfinished run is continued, else a new one begins.
    pub run_id: Option<String>,
    /// What started it, for the run log: `terminal` or `program`.
    pub trigger: String,
    /// When to stop before the end.
    pub limits: Limits,
    /// Whether to go on with what changes until it is stopped. Such a run has no upper bound of
    /// time and is not continued by another: the next one begins where the state is.
    pub follow: bool,
}

impl Job {
    /// Whether a run that was not finished, and is not named, may be continued.
    pub(crate) const fn may_go_on(&self) -> bool {
        self.full_refresh.is_none() && !self.follow
    }

    /// Whether a stream is to be read anew.
    pub(crate) fn refreshes(&self, stream: &str) -> bool {
        match &self.full_refresh {
            None => false,
            Some(FullRefresh::All) => true,
            Some(FullRefresh::Streams(names)) => names.iter().any(|name| name == stream),
        }
    }
}

/// What holds for every stream that does not say otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamDefaults {
    /// Most records to read in this run.
    pub backfill_limit: Option<u64>,
    /// Span of time to read.
    pub time_range: Option<protocol::TimeRange>,
}

/// Says where a person can give a key of a connector, for the error that misses it.
pub type PlacesOfKey = Arc<dyn Fn(Role, &str) -> Vec<String> + Send + Sync>;

/// What the engine runs on. All that a library may not look up by itself comes in here.
#[derive(Clone)]
pub struct Host {
    /// How children are started.
    pub launcher: Launcher,
    /// Where programs are looked for.
    pub resolver: Resolver,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// A new, unique name for this call: what it writes is marked with it, it holds the pipeline
    /// under it, and a run that begins here has it.
    pub run_id: String,
    /// Where a key can be given.
    pub places: PlacesOfKey,
    /// Folder for the state of destinations that cannot keep it.
    pub state_folder: PathBuf,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

/// A connector that was found, with its spec and a configuration that fits it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The program and its side.
    pub connector: Connector,
    /// What it says of itself.
    pub spec: Spec,
    /// Type and complete configuration.
    pub config: ConnectorConfig,
    /// Keys that somebody gave, as opposed to defaults.
    given: Config,
}

impl Host {
    /// Finds a connector, asks for its spec, and completes its configuration.
    ///
    /// # Errors
    ///
    /// When there is no such program, it does not answer, or the configuration does not fit.
    pub async fn open(&self, role: Role, given: &Given) -> Result<Opened, Failure> {
        let kind = given.connector.connector_type.clone();
        let side = match role {
            Role::Source => Side::Source,
            Role::Destination => Side::Destination,
        };
        let program = self
            .resolver
            .resolve(role, &kind)
            .map_err(|error| Failure::new(side, Class::Config, "no_program", error))?;
        let connector = Connector { program, side };
        let spec = connector.spec(&self.launcher).await?;
        let mut config = given.connector.config.clone();
        for (key, text) in &given.texts {
            config.insert(key.clone(), config::coerce(&spec, key, text));
        }
        let mut opened = Opened {
            connector,
            spec,
            config: ConnectorConfig { connector_type: kind, config: Config::new() },
            given: config,
        };
        self.complete(role, &mut opened, &Config::new())?;
        Ok(opened)
    }

    /// Fills in what was not given, a pinned value before a default; says whether that changed
    /// anything.
    pub(crate) fn complete(
        &self,
        role: Role,
        opened: &mut Opened,
        pinned: &Config,
    ) -> Result<bool, Failure> {
        let name = opened.connector.program.name.clone();
        let places = |key: &str| (self.places)(role, key);
        let config = config::complete(&name, &opened.spec, opened.given.clone(), pinned, &places)
            .map_err(|error| opened.connector.failure(Class::Config, "config", error))?;
        let changed = config != opened.config.config;
        opened.config.config = config;
        Ok(changed)
    }
}
