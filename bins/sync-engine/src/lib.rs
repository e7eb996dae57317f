//! The program people use: a command line around [`engine`].
//!
//! Words for people go to stderr; stdout holds what was asked for: protocol messages, a catalog, a
//! table.

mod cli;
mod given_keys;
mod session;
mod settings;
mod surroundings;

mod arrange;
mod check;
mod connectors;
mod dead_letters;
mod demo;
mod discover;
mod foresee;
mod halves;
mod runs;
mod state;
mod sync;

mod output;
mod signals;
mod table;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use protocol::exit;

use crate::cli::{Cli, Command};
use crate::given_keys::GivenKeys;
use crate::surroundings::Surroundings;

/// Does what the command line says; both arguments come from the operating system, untouched.
#[must_use]
pub fn main_with(args: Vec<OsString>, variables: BTreeMap<OsString, OsString>) -> ExitCode {
    // Before anything else: this process is about to become another program.
    if let [_, verb, rest @ ..] = args.as_slice()
        && verb == session::STEP
    {
        let error = engine::child::become_program(rest);
        say(&format!("error: {error}"));
        return ExitCode::from(NOT_EXECUTED);
    }
    ExitCode::from(run(args, variables))
}

/// What shells answer for a program that was found and could not be executed.
const NOT_EXECUTED: u8 = 126;

fn run(args: Vec<OsString>, variables: BTreeMap<OsString, OsString>) -> u8 {
    let (args, keys) = match given_keys::take(args) {
        Ok(taken) => taken,
        Err(error) => return fail(exit::USAGE, &error.to_string()),
    };
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come here too, and are no failure.
            error.print().ok();
            return if error.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    if keys != GivenKeys::default() && !takes_keys(&cli.command) {
        let message =
            "this command asks no connector; leave out `--source.…` and `--destination.…`";
        return fail(exit::USAGE, message);
    }
    let surroundings = match Surroundings::read(&variables) {
        Ok(surroundings) => surroundings,
        Err(error) => return fail(exit::CONFIG, &error.to_string()),
    };
    if let Command::Completions { shell } = cli.command {
        return completions(shell);
    }
    in_runtime(cli.command, keys, surroundings)
}

/// Whether keys of connectors mean anything to a command.
const fn takes_keys(command: &Command) -> bool {
    !matches!(command, Command::Demo(_) | Command::Connectors { .. } | Command::Completions { .. })
}

/// One thread: children are tied to the thread that starts them, and two pipes need no more.
fn in_runtime(command: Command, keys: GivenKeys, surroundings: Surroundings) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(exit::FAILED, &format!("starting: {error}")),
    };
    let status = runtime.block_on(dispatch(command, keys, surroundings));
    // A write to a stdout that nobody reads must not keep the program alive.
    runtime.shutdown_background();
    status
}

async fn dispatch(command: Command, keys: GivenKeys, surroundings: Surroundings) -> u8 {
    let done = match command {
        Command::Sync(args) => Box::pin(sync::run(&args, keys, &surroundings)).await,
        Command::Check(args) => Box::pin(check::run(&args, keys, &surroundings)).await,
        Command::Discover(args) => Box::pin(discover::run(&args, keys, &surroundings)).await,
        Command::Setup(args) => Box::pin(arrange::setup(&args, keys, &surroundings)).await,
        Command::Teardown(args) => Box::pin(arrange::teardown(&args, keys, &surroundings)).await,
        Command::Read(args) => Box::pin(halves::read(&args, keys, &surroundings)).await,
        Command::Write(args) => Box::pin(halves::write(&args, keys, &surroundings)).await,
        Command::State(command) => Box::pin(state::run(&command, keys, &surroundings)).await,
        Command::Runs(args) => Box::pin(runs::run(&args, keys, &surroundings)).await,
        Command::DeadLetters(command) => {
            Box::pin(dead_letters::run(&command, keys, &surroundings)).await
        }
        Command::Connectors { json } => Box::pin(connectors::run(json, &surroundings)).await,
        Command::Demo(args) => Box::pin(demo::run(&args, &surroundings)).await,
        Command::Completions { .. } => Ok(exit::OK),
    };
    done.unwrap_or_else(|failure| fail(engine::outcome::exit_of(&failure), &failure.to_string()))
}

fn completions(shell: clap_complete::Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sync-engine", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// Says one line to people.
fn say(line: &str) {
    // When stderr is gone nobody can be told.
    writeln!(std::io::stderr().lock(), "{line}").ok();
}

fn fail(status: u8, message: &str) -> u8 {
    say(&format!("error: {}", protocol::secret::mask(message)));
    status
}

/// Writes what was asked for to stdout.
fn print(text: &str) -> u8 {
    let mut stdout = std::io::stdout().lock();
    // A reader that has gone wants no more: `| head` is no failure.
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).ok();
    exit::OK
}
