//! The command line, as it is typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::store::StoreChoice;

/// Brings a Stripe account into a database, and goes on from where it was.
///
/// Examples:
///
///   sync-engine demo
///   STRIPE_API_KEY=rk_live_… sync-engine sync
///   sync-engine sync --postgres-url postgres://me@localhost/mydb --streams customers,invoices
///   sync-engine check
#[derive(Debug, Parser)]
#[command(name = "sync-engine", version, verbatim_doc_comment, after_help = EXITS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXITS: &str = "\
Exit statuses:
    0  all done
    1  something that should not happen: read stderr
    2  the command line is wrong
    3  stopped by a limit, there is more to do: call again
    4  the configuration is wrong or incomplete
    5  a key or password is wrong, or a permission is missing
    6  the source cannot be reached
    7  the destination failed or cannot be reached, or another run is at work
    8  done, but something is missing: a stream failed, a record was refused
       (--tolerate dead-letters,streams makes it 0)
  130  stopped by Ctrl-C, 143 by SIGTERM; the state is saved (0 with --follow)";

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy what is new, or everything the first time
    Sync(Box<SyncArgs>),
    /// Say whether source and destination work
    Check(CheckArgs),
    /// List the streams that can be copied
    Discover(DiscoverArgs),
    /// Try it: a made-up account into ./stripe-demo.db; needs no key, no server, no network
    Demo(DemoArgs),
    /// Make ready what a sync needs on both sides; a second call changes nothing
    Setup(SetupArgs),
    /// Remove what setup made, rows included, and forget the state
    Teardown(TeardownArgs),
    /// The first half of the pipe: what the source reads, as messages on stdout
    Read(ReadArgs),
    /// The second half: messages on stdin to the destination, what it confirms on stdout
    Write(WriteArgs),
    /// Show, forget, export or import how far a pipeline got
    #[command(subcommand)]
    State(StateCommand),
    /// Show the latest runs of a pipeline
    Runs(RunsArgs),
    /// Records that the destination could not store: list them, or have them tried again
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// List the connectors that can be found, and where
    Connectors {
        /// One JSON object a line, with what each can be told
        #[arg(long)]
        json: bool,
    },
    /// Write a completion script for a shell to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Where data comes from and goes to.
#[derive(Debug, Args, Default)]
pub(crate) struct ConnectionArgs {
    /// Stripe API key; a restricted, read-only key is enough [env: STRIPE_API_KEY, also in .env]
    #[arg(long, value_name = "KEY", help_heading = "Source")]
    pub(crate) stripe_api_key: Option<String>,
    /// Where the Stripe API is, if not at api.stripe.com
    #[arg(long, value_name = "URL", help_heading = "Source")]
    pub(crate) stripe_base_url: Option<String>,
    /// Stripe API version; a pipeline keeps the one it began with
    #[arg(long, value_name = "VERSION", help_heading = "Source")]
    pub(crate) stripe_api_version: Option<String>,
    /// Most requests a second
    #[arg(long, value_name = "N", help_heading = "Source")]
    pub(crate) stripe_rate_limit: Option<u32>,
    /// Any source, as {"type":T,T:{…}} or a file that holds that
    #[arg(long, value_name = "JSON|FILE", help_heading = "Source")]
    pub(crate) source: Option<String>,
    /// PostgreSQL database [env: POSTGRES_URL, also in .env; DATABASE_URL]
    #[arg(
        long,
        visible_alias = "database-url",
        value_name = "URL",
        conflicts_with = "sqlite",
        help_heading = "Destination"
    )]
    pub(crate) postgres_url: Option<String>,
    /// PostgreSQL schema that holds the tables [default: stripe]
    #[arg(
        long,
        visible_alias = "schema",
        value_name = "SCHEMA",
        conflicts_with = "sqlite",
        help_heading = "Destination"
    )]
    pub(crate) postgres_schema: Option<String>,
    /// SQLite file [default when no destination is given: ./stripe.db]
    #[arg(long, value_name = "PATH", help_heading = "Destination")]
    pub(crate) sqlite: Option<String>,
    /// Google spreadsheet: the part of its address between /d/ and /edit
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = ["sqlite", "postgres_url", "postgres_schema", "destination"],
        help_heading = "Destination"
    )]
    pub(crate) sheets_id: Option<String>,
    /// Key file of the Google service account that may edit the spreadsheet
    /// [env: GOOGLE_APPLICATION_CREDENTIALS, also in .env]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["sqlite", "postgres_url", "postgres_schema"],
        help_heading = "Destination"
    )]
    pub(crate) sheets_service_account: Option<String>,
    /// Any destination, as {"type":T,T:{…}} or a file that holds that
    #[arg(
        long,
        value_name = "JSON|FILE",
        conflicts_with_all = ["sqlite", "postgres_url"],
        help_heading = "Destination"
    )]
    pub(crate) destination: Option<String>,
    /// Source, destination and streams in one document; `-` reads it from stdin
    #[arg(long, value_name = "FILE|JSON|-")]
    pub(crate) config: Option<String>,
    /// A command instead of the program that is looked for, as source.stripe='cmd args'
    #[arg(long, value_name = "SIDE.TYPE=COMMAND")]
    pub(crate) connector: Vec<String>,
    /// Say less: only what goes wrong
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more: what connectors say too; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What `sync` takes.
///
/// Any key of a connector is a flag too: --source.KEY VALUE, --destination.KEY VALUE.
#[derive(Debug, Args, Default)]
#[command(after_help = SYNC_EXAMPLES)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Streams to copy, by name; `*` stands for any text, `-name` leaves out
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "What"
    )]
    pub(crate) streams: Vec<String>,
    /// Most records to read of each stream in this run
    #[arg(long, value_name = "N", help_heading = "What")]
    pub(crate) backfill_limit: Option<u64>,
    /// Only what was created at or after this time (2024-01-01 or RFC 3339)
    #[arg(long, value_name = "TIME", help_heading = "What")]
    pub(crate) since: Option<String>,
    /// Only what was created before this time
    #[arg(long, value_name = "TIME", help_heading = "What")]
    pub(crate) until: Option<String>,
    /// Forget how far these streams, or all of them, got and read them again
    #[arg(
        long,
        value_name = "STREAM,…",
        num_args = 0..=1,
        default_missing_value = "*",
        value_delimiter = ',',
        help_heading = "What"
    )]
    pub(crate) full_refresh: Vec<String>,
    /// Go on with what changes until it is stopped; Ctrl-C and SIGTERM end it with status 0
    #[arg(
        long,
        conflicts_with_all = ["until", "time_limit", "state_limit", "run_id"],
        help_heading = "What"
    )]
    pub(crate) follow: bool,
    /// Stop after this many seconds; what is left is done by the next call (exit status 3)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub(crate) time_limit: Option<u64>,
    /// Stop after this many states were confirmed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub(crate) state_limit: Option<u64>,
    /// End a connector that owes an answer and does nothing for this long [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub(crate) stall_timeout: Option<u64>,
    /// Name of the run; without it an unfinished run goes on, else a new one begins
    #[arg(long, value_name = "NAME", help_heading = "State")]
    pub(crate) run_id: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// What may be missing without exit status 8
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
    pub(crate) tolerate: Vec<Tolerated>,
    /// Say what a run would do, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What to write to stdout
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    /// Plain lines on stderr, also on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Where the state of which pipeline is.
#[derive(Debug, Args, Default)]
pub(crate) struct StateArgs {
    /// Name of the pipeline, if not derived from what it joins
    #[arg(long, value_name = "NAME", help_heading = "State")]
    pub(crate) pipeline: Option<String>,
    /// What keeps the state, if not the copy itself: a file, or postgres://…?schema=S
    #[arg(long, value_name = "PATH|URL", conflicts_with = "no_state", help_heading = "State")]
    pub(crate) state: Option<String>,
    /// Keep no state: begin afresh, now and next time
    #[arg(long, help_heading = "State")]
    pub(crate) no_state: bool,
}

impl StateArgs {
    /// The choice that they stand for.
    pub(crate) fn store(&self) -> StoreChoice {
        let is_url =
            |text: &str| ["postgres://", "postgresql://"].iter().any(|s| text.starts_with(s));
        match self.state.as_deref() {
            _ if self.no_state => StoreChoice::Nowhere,
            None | Some("auto") => StoreChoice::Auto,
            Some(url) if is_url(url) => StoreChoice::Postgres(url.to_owned()),
            Some(path) => StoreChoice::File(path.into()),
        }
    }
}

/// What `check` takes.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Ask for each stream that is copied by default too, or for these; exit status 8 when one cannot
    /// be read
    #[arg(
        long,
        value_name = "NAME,…",
        num_args = 0..=1,
        default_missing_value = "",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) streams: Option<Vec<String>>,
}

/// What can be done with records that could not be stored.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Show each one with its error
    List(DeadLettersArgs),
    /// Write them again; those that are stored now leave the list
    Retry(DeadLettersArgs),
}

/// What `dead-letters` takes.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Those of this stream only
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Option<String>,
    /// One JSON object a line, with the records
    #[arg(long)]
    pub(crate) json: bool,
}

/// One side of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// The source, such as its webhook endpoint
    Source,
    /// The destination, such as its tables
    Destination,
}

/// What `setup` takes.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// Streams to make ready
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) streams: Vec<String>,
    /// One side only
    #[arg(long, value_name = "SIDE")]
    pub(crate) only: Option<Only>,
}

/// What `teardown` takes.
#[derive(Debug, Args)]
pub(crate) struct TeardownArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// One side only
    #[arg(long, value_name = "SIDE")]
    pub(crate) only: Option<Only>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What `read` takes.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Streams to read, as `sync` takes them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) streams: Vec<String>,
    /// Most records to read of each stream
    #[arg(long, value_name = "N")]
    pub(crate) backfill_limit: Option<u64>,
    /// Only what was created at or after this time (2024-01-01 or RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only what was created before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Go on with what changes until it is stopped
    #[arg(long, conflicts_with = "until")]
    pub(crate) follow: bool,
    /// Go on from this state, as `state export` or an `eof` message holds it
    #[arg(long, value_name = "JSON|FILE|-")]
    pub(crate) from_state: Option<String>,
}

/// What `write` takes.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// The streams that come, as `discover --json` writes them
    #[arg(long, value_name = "JSON|FILE")]
    pub(crate) catalog: String,
}

/// What can be done with a state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Print how far each stream got, for people
    Show(StateOf),
    /// Forget how far it got: the next run reads it again. No row is removed
    Reset(StateOf),
    /// Write the state to stdout as one JSON document
    Export(StateOf),
    /// Take the state from a document that `export` wrote, or from an `eof` message
    Import {
        #[command(flatten)]
        of: StateOf,
        /// The document; `-` reads it from stdin
        #[arg(value_name = "FILE|-")]
        document: String,
    },
}

/// Whose state.
#[derive(Debug, Args)]
pub(crate) struct StateOf {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// These streams only
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) stream: Vec<String>,
}

/// What `runs` takes.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Show the streams of the latest run: what came, and how fresh each is
    #[arg(long, conflicts_with = "json")]
    pub(crate) streams: bool,
    /// One JSON object a line, with streams and receipts
    #[arg(long)]
    pub(crate) json: bool,
}

const SYNC_EXAMPLES: &str = "\
Examples:
  STRIPE_API_KEY=rk_live_… sync-engine sync
  sync-engine sync --postgres-url postgres://me@localhost/mydb --schema stripe
  sync-engine sync --streams 'customers,invoice*,-invoice_rendering_templates' --since 2024-01-01
  sync-engine sync --source.max_in_flight 8 --output ndjson | jq 'select(.type==\"progress\")'

Any key of a connector is a flag: --source.KEY VALUE, --destination.KEY VALUE.
A flag wins over the environment, that over .env, that over --config, that over the default.";

/// Something that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tolerated {
    /// Records that could not be stored
    DeadLetters,
    /// Streams that failed
    Streams,
}

/// What stdout may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Protocol messages, one a line; records not, states once they are saved, `eof` last
    Ndjson,
}

/// What `discover` takes.
#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// The catalog as the source gives it
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// SQLite file to copy into
    #[arg(long, value_name = "PATH", default_value = "./stripe-demo.db")]
    pub(crate) path: String,
    /// Say less
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
