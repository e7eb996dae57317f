//! A connector as a program: arguments in, messages out, an exit status.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use clap_complete::Shell;
use protocol::{Level, exit};
use tokio::signal::unix::{SignalKind, signal};

use crate::about::About;
use crate::cli::{
    self, ConfigAndCatalog, ConfigMaybeCatalog, DeadLettersCommand, DestinationCli,
    DestinationCommand, Read, SourceCli, SourceCommand,
};
use crate::config::Environment;
use crate::destination::Destination;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::input::Input;
use crate::logs;
use crate::plan::plans;
use crate::source::{ReadRequest, Source};
use crate::stdin::ReadAhead;
use crate::stop::{Stop, stop_channel};
use crate::{arguments, config, dead_letter, drive};

/// Runs a source's command line to its exit status.
pub fn run_source<S: Source>(
    arguments: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> ExitCode {
    let cli: SourceCli = match parse(&S::ABOUT, arguments) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    if let SourceCommand::Completions { shell } = cli.command {
        return completions::<SourceCli>(&S::ABOUT, shell);
    }
    logs::to_stderr(cli.logs.log_format, environment.get("RUST_LOG"));
    let manners = Manners::of(matches!(cli.command, SourceCommand::Read(_)));
    run(&S::ABOUT, manners, async |out, stop| {
        source::<S>(cli.command, environment, out, stop).await
    })
}

/// Runs a destination's command line to its exit status.
pub fn run_destination<D: Destination>(
    arguments: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> ExitCode {
    let cli: DestinationCli = match parse(&D::ABOUT, arguments) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    if let DestinationCommand::Completions { shell } = cli.command {
        return completions::<DestinationCli>(&D::ABOUT, shell);
    }
    logs::to_stderr(cli.logs.log_format, environment.get("RUST_LOG"));
    let manners = Manners::of(matches!(cli.command, DestinationCommand::Write(_)));
    run(&D::ABOUT, manners, async |out, stop| {
        destination::<D>(cli.command, environment, out, stop).await
    })
}

async fn source<S: Source>(
    command: SourceCommand,
    environment: &Environment,
    out: &mut Emitter,
    stop: Stop,
) -> Result<(), Error> {
    match command {
        SourceCommand::Spec => out.spec(S::spec()).await,
        SourceCommand::Completions { .. } => Ok(()),
        SourceCommand::Check(args) => {
            let (config, catalog) = with_maybe_catalog(&args)?;
            let source = open::<S>(&config, environment, out).await?;
            tell_check(source.check(catalog.as_ref(), out).await, out).await
        }
        SourceCommand::Discover(args) => {
            let source = open::<S>(&args.config, environment, out).await?;
            let catalog = source.discover(out).await?;
            out.catalog(catalog).await
        }
        SourceCommand::Read(args) => read::<S>(&args, environment, out, stop).await,
        SourceCommand::Setup(args) => {
            one_from_stdin([args.config.config.as_str(), &args.catalog])?;
            let source = open::<S>(&args.config.config, environment, out).await?;
            source.setup(&arguments::catalog(&args.catalog)?, out).await
        }
        SourceCommand::Teardown(args) => {
            let (config, catalog) = with_maybe_catalog(&args)?;
            open::<S>(&config, environment, out).await?.teardown(catalog.as_ref(), out).await
        }
    }
}

async fn read<S: Source>(
    args: &Read,
    environment: &Environment,
    out: &mut Emitter,
    stop: Stop,
) -> Result<(), Error> {
    let (base, state) = (&args.base, args.state.as_deref());
    one_from_stdin([base.config.config.as_str(), &base.catalog].into_iter().chain(state))?;
    let source = tokio::select! {
        () = stop.requested() => return Ok(()),
        source = open::<S>(&base.config.config, environment, out) => source?,
    };
    let catalog = arguments::catalog(&base.catalog)?;
    let state = arguments::state(state)?;
    let input = Input::stdin();
    let request = ReadRequest { catalog, state, follow: args.follow, input };
    source.read(request, out, stop).await
}

/// Opens a source with a configuration from the command line.
async fn open<S: Source>(
    value: &str,
    environment: &Environment,
    out: &mut Emitter,
) -> Result<S, Error> {
    let config = arguments::config(value)?;
    let config = config::decode(config, &S::spec().config, &S::ABOUT, environment)?;
    S::open(config, environment, out).await
}

async fn destination<D: Destination>(
    command: DestinationCommand,
    environment: &Environment,
    out: &mut Emitter,
    stop: Stop,
) -> Result<(), Error> {
    let open = |value: &str| -> Result<D, Error> {
        let config = arguments::config(value)?;
        D::open(config::decode(config, &D::spec().config, &D::ABOUT, environment)?)
    };
    match command {
        DestinationCommand::Spec => out.spec(D::spec()).await,
        DestinationCommand::Completions { .. } => Ok(()),
        DestinationCommand::Check(args) => {
            let (config, catalog) = with_maybe_catalog(&args)?;
            let plans = plans(&catalog.unwrap_or_default())?;
            let checked = open(&config)?.check(&plans, out).await;
            tell_check(checked, out).await
        }
        DestinationCommand::Setup { base, print_grants, dry_run } => {
            one_from_stdin([base.config.config.as_str(), &base.catalog])?;
            let mut destination = open(&base.config.config)?;
            if print_grants {
                print(&destination.grants()?);
                return Ok(());
            }
            let plans = plans(&arguments::catalog(&base.catalog)?)?;
            if !dry_run {
                return destination.setup(&plans, out).await;
            }
            for statement in destination.plan_setup(&plans).await? {
                out.log(Level::Info, statement).await?;
            }
            Ok(())
        }
        DestinationCommand::Write(args) => {
            write::<D>(open(&not_stdin(&args)?)?, &args, out, &stop).await
        }
        DestinationCommand::Teardown(args) => {
            let (config, catalog) = with_maybe_catalog(&args)?;
            open(&config)?.teardown(catalog.as_ref(), out).await
        }
        DestinationCommand::DeadLetters(DeadLettersCommand::List { config, stream }) => {
            dead_letter::list(&mut open(&config.config)?, stream.as_deref(), out).await
        }
        DestinationCommand::DeadLetters(DeadLettersCommand::Retry { base, stream }) => {
            one_from_stdin([base.config.config.as_str(), &base.catalog])?;
            let mut destination = open(&base.config.config)?;
            let plans = plans(&arguments::catalog(&base.catalog)?)?;
            dead_letter::retry(&mut destination, plans, stream.as_deref(), out).await
        }
    }
}

async fn write<D: Destination>(
    mut destination: D,
    args: &ConfigAndCatalog,
    out: &mut Emitter,
    stop: &Stop,
) -> Result<(), Error> {
    let plans = plans(&arguments::catalog(&args.catalog)?)?;
    drive::write(&mut destination, plans, ReadAhead::stdin(), out, stop).await
}

/// A `check` that says no has answered: the failure is told, and the status is 0.
async fn tell_check(checked: Result<String, Error>, out: &mut Emitter) -> Result<(), Error> {
    match checked {
        Ok(message) => out.succeeded(Some(message)).await,
        Err(error) if error.is_stdout_closed() => Err(error),
        Err(error) => out.failed(error.class(), error.report()).await,
    }
}

fn with_maybe_catalog(
    args: &ConfigMaybeCatalog,
) -> Result<(String, Option<protocol::ConfiguredCatalog>), Error> {
    let catalog = args.catalog.as_deref();
    one_from_stdin([args.config.config.as_str()].into_iter().chain(catalog))?;
    let catalog = catalog.map(arguments::catalog).transpose()?;
    Ok((args.config.config.clone(), catalog))
}

fn one_from_stdin<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    if cli::from_stdin(values) > 1 {
        return Err(Error::config("reading the command line: more than one flag is `-`")
            .hint("only one can come from stdin"));
    }
    Ok(())
}

/// `write` takes its messages from stdin, so no flag can.
fn not_stdin(args: &ConfigAndCatalog) -> Result<String, Error> {
    if cli::from_stdin([args.config.config.as_str(), &args.catalog]) > 0 {
        return Err(Error::config("reading the command line: `-` is not possible for `write`")
            .hint("its messages come from stdin; give a file or inline JSON"));
    }
    Ok(args.config.config.clone())
}

fn parse<C: CommandFactory + FromArgMatches>(
    about: &About,
    arguments: impl Iterator<Item = OsString>,
) -> Result<C, ExitCode> {
    cli::parse(about, arguments).map_err(|error| {
        if error.use_stderr() {
            let usage = usage(about, &error);
            block_on(async { end(about, Err(usage), &mut stdout()).await })
        } else {
            print(&error.render().to_string());
            ExitCode::from(exit::OK)
        }
    })
}

/// What clap says, in one line; where no command is given it has only help to say.
fn usage(about: &About, error: &clap::Error) -> Error {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).skip(1).collect();
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let what = if is_help { "no command is given".to_owned() } else { words.join(" ") };
    Error::config(format!("reading the command line: {what}"))
        .hint(format!("see {} --help", about.name))
}

fn completions<C: CommandFactory>(about: &About, shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command::<C>(about), about.name, &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::from(exit::OK)
}

/// Prints help or a script, which are for a person or a shell. A closed stdout is no fault.
fn print(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        tracing::debug!("nobody reads stdout: {error}");
    }
}

fn stdout() -> Emitter {
    Emitter::new(tokio::io::stdout())
}

/// What a signal means to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    /// Records are under way: the first asks for an end in order, the second ends it.
    Orderly,
    /// Nothing is lost by ending it at once, and it may be run again.
    Prompt,
}

impl Manners {
    const fn of(moves_records: bool) -> Self {
        if moves_records { Self::Orderly } else { Self::Prompt }
    }
}

fn run(
    about: &About,
    manners: Manners,
    work: impl AsyncFnOnce(&mut Emitter, Stop) -> Result<(), Error>,
) -> ExitCode {
    block_on(async {
        let mut out = stdout();
        let (stopper, stop) = stop_channel();
        let work = async {
            let done = Box::pin(work(&mut out, stop)).await;
            end(about, done, &mut out).await
        };
        tokio::select! {
            status = work => status,
            status = on_last_signal(manners, || stopper.stop()) => status,
        }
    })
}

/// Runs on one thread; reads of stdin that are still waiting do not hold up the end.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let status = runtime.block_on(work);
            runtime.shutdown_background();
            status
        }
        Err(error) => {
            tracing::error!("starting the runtime: {error}");
            ExitCode::from(exit::FAILED)
        }
    }
}

/// A SIGINT or SIGTERM asks for a stop; the last one ends this. They are listened for from the call
/// on, not from the first poll: work that was polled first might do much before it.
fn on_last_signal(manners: Manners, stop: impl Fn()) -> impl Future<Output = ExitCode> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            return std::future::pending().await;
        };
        let mut status = exit::INTERRUPTED;
        let signals = if manners == Manners::Orderly { 2 } else { 1 };
        for _ in 0..signals {
            status = tokio::select! {
                _ = interrupt.recv() => exit::INTERRUPTED,
                _ = terminate.recv() => exit::TERMINATED,
            };
            stop();
        }
        ExitCode::from(status)
    }
}

/// Tells how it ended, on stdout and in one line on stderr, and gives the exit status.
async fn end(about: &About, done: Result<(), Error>, out: &mut Emitter) -> ExitCode {
    let failed = match done {
        Ok(()) => out.flush().await,
        Err(error) if error.is_stdout_closed() => Err(error),
        Err(error) => {
            let text = format!("{}: {}\n", about.name, error.report());
            if let Err(error) = std::io::stderr().write_all(text.as_bytes()) {
                tracing::debug!("nobody reads stderr: {error}");
            }
            out.failed(error.class(), error.report()).await.and(Err(error))
        }
    };
    match failed {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) if error.is_stdout_closed() => ExitCode::from(exit::OK),
        Err(error) => ExitCode::from(error.exit_status()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_one_line_that_says_what_is_wrong() {
        let about =
            About { name: "x", version: "1", summary: "Reads it.", example: "", environment: &[] };
        let told = |line: &str| {
            let words = line.split_whitespace().map(OsString::from);
            usage(&about, &cli::parse::<SourceCli>(&about, words).unwrap_err()).report()
        };
        assert_eq!(told("x"), "reading the command line: no command is given; see x --help");
        let wrong = told("x spec --fast");
        assert!(
            wrong.starts_with("reading the command line: unexpected argument '--fast'"),
            "{wrong}"
        );
    }
}
