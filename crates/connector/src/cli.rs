//! The command line that every connector has.

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::about::About;
use crate::logs::LogFormat;

/// A source's command line.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
pub(crate) struct SourceCli {
    #[command(subcommand)]
    pub(crate) command: SourceCommand,
    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

/// A destination's command line.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
pub(crate) struct DestinationCli {
    #[command(subcommand)]
    pub(crate) command: DestinationCommand,
    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// How diagnostics on stderr are written; RUST_LOG says which
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Print what configuration and state look like
    Spec,
    /// Ask whether the connection works and, with a catalog, which streams can be read
    Check(ConfigMaybeCatalog),
    /// List the streams that can be read
    Discover(Config),
    /// Read the streams of a catalog: records, states and statuses on stdout
    Read(Read),
    /// Prepare the other side, such as a webhook endpoint
    Setup(ConfigAndCatalog),
    /// Remove what setup made
    Teardown(ConfigMaybeCatalog),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DestinationCommand {
    /// Print what the configuration looks like
    Spec,
    /// Ask whether the connection works and, with a catalog, whether its streams can be written
    Check(ConfigMaybeCatalog),
    /// Make a place for every stream of a catalog; a second call changes nothing
    Setup {
        #[command(flatten)]
        base: ConfigAndCatalog,
        /// Print the statements that an owner runs to let this user set up and write; do nothing
        #[arg(long)]
        print_grants: bool,
        /// Tell what would be done, each statement as a log message; do nothing
        #[arg(long, conflicts_with = "print_grants")]
        dry_run: bool,
    },
    /// Write the messages on stdin; states come back on stdout once their records are durable
    Write(ConfigAndCatalog),
    /// Remove the places that this tool made
    Teardown(ConfigMaybeCatalog),
    /// Records that could not be stored: list them, or try them again
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Print each one, with its error, as a log message
    List {
        #[command(flatten)]
        config: Config,
        /// Those of this stream only
        #[arg(long, value_name = "NAME")]
        stream: Option<String>,
    },
    /// Write them again; those that are stored now are removed from the list
    Retry {
        #[command(flatten)]
        base: ConfigAndCatalog,
        /// Those of this stream only
        #[arg(long, value_name = "NAME")]
        stream: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Configuration: inline JSON, a file, or - for stdin
    #[arg(long, value_name = "JSON|FILE|-")]
    pub(crate) config: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigAndCatalog {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Configured catalog: inline JSON, a file, or - for stdin
    #[arg(long, value_name = "JSON|FILE|-")]
    pub(crate) catalog: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigMaybeCatalog {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Configured catalog: inline JSON, a file, or - for stdin
    #[arg(long, value_name = "JSON|FILE|-")]
    pub(crate) catalog: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Read {
    #[command(flatten)]
    pub(crate) base: ConfigAndCatalog,
    /// State of an earlier read, to go on from: inline JSON, a file, or - for stdin
    #[arg(long, value_name = "JSON|FILE|-")]
    pub(crate) state: Option<String>,
    /// Stay after the history was read and pass on changes as they come
    #[arg(long)]
    pub(crate) follow: bool,
}

const EXIT_STATUSES: &str = "Exit status: 0 the whole outcome was told over the protocol; \
     1 it could not be finished; 2 the command line or the configuration is wrong.";

/// The clap command of a connector, with its name and example.
pub(crate) fn command<C: CommandFactory>(about: &About) -> Command {
    C::command()
        .name(about.name)
        .bin_name(about.name)
        .version(about.version)
        .about(about.summary)
        .after_help(format!("Example:\n  {}\n\n{EXIT_STATUSES}", about.example))
}

/// Parses a command line.
pub(crate) fn parse<C: CommandFactory + FromArgMatches>(
    about: &About,
    arguments: impl Iterator<Item = std::ffi::OsString>,
) -> Result<C, clap::Error> {
    let matches = command::<C>(about).try_get_matches_from(arguments)?;
    C::from_arg_matches(&matches)
}

/// The values of flags that are read from stdin: more than one cannot be.
pub(crate) fn from_stdin<'a>(values: impl IntoIterator<Item = &'a str>) -> usize {
    values.into_iter().filter(|value| value.trim() == "-").count()
}
