//! One half of the pipe: a source to whoever reads, or whoever writes to a destination.

use std::sync::Arc;

use protocol::ndjson::Reader;
use protocol::{
    Class, ConfiguredCatalog, ConnectionStatus, Kind, Line, Message, SourceState, Status, excerpt,
};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::call::Connector;
use crate::catalog::{select, unselected};
use crate::child::{Child, ChildError, End};
use crate::failure::{Failure, Side, chain};
use crate::gate::{Gate, Note};
use crate::job::{Given, Host, Job};
use crate::pump::{PumpEnd, Reports, pump};
use crate::ready::narrow;
use crate::resolve::Role;
use crate::stop::{Stop, StopReceiver};

/// Bytes that are taken from an input at once.
const CHUNK: usize = 256 * 1024;

/// Reads the streams of a job, from `state` on, to `out`; keeps nothing.
///
/// # Errors
///
/// When the source fails. A reader that has gone is none.
pub async fn read(
    job: &Job,
    host: &Host,
    state: &SourceState,
    out: impl AsyncWrite + Unpin + Send + 'static,
    mut stop: StopReceiver,
) -> Result<(), Failure> {
    let source = Box::pin(host.open(Role::Source, &job.source)).await?;
    let connector = &source.connector;
    let asked = connector.discover(&host.launcher, &source.config.config).await;
    let mut catalog =
        select(&asked?.0, &job.streams).map_err(|error| unselected(&error, &source.spec))?;
    narrow(&mut catalog, job.defaults);
    let mut documents = vec![
        connector.document("--config", &source.config.config)?,
        connector.document("--catalog", &catalog)?,
    ];
    if !state.is_empty() {
        documents.push(connector.document("--state", state)?);
    }
    let verb = if job.follow { "read --follow" } else { "read" };
    let mut child = connector.start(&host.launcher, verb, &documents, false)?;
    let stdout = child.take_stdout().ok_or_else(no_pipe)?;
    let gate = Gate::new(&catalog, &format!("source/{}", source.config.connector_type));
    let gate = if job.follow { gate.following() } else { gate };
    let (sender, mut notes) = mpsc::channel(256);
    let reports =
        Reports { notes: sender, activity: Arc::default(), sent: Arc::default(), openings: None };
    let mut pumping = JoinSet::new();
    pumping.spawn(pump(stdout, gate, out, reports, host.now));
    let listener = host.launcher.listener.clone();
    let pumped = loop {
        tokio::select! {
            biased;
            asked = stop.changed() => obey(asked, &mut child),
            Some(note) = notes.recv() => if let (Note::Warning(text), Some(listener)) = (note, &listener) {
                listener("engine", &text);
            },
            Some(pumped) = pumping.join_next() => break pumped.ok(),
        }
    };
    if pumped.as_ref().is_none_or(|pumped| pumped.end != PumpEnd::Clean) {
        // Nobody takes what it may still say, and one that follows might say nothing for long.
        child.terminate();
    }
    let end = wait(&mut child, &mut stop).await.map_err(|error| ended(connector, error))?;
    let Some(pumped) = pumped else { return Err(ended(connector, end)) };
    if let Some(refusal) = pumped.gate.failure() {
        return Err(connector.refused(refusal));
    }
    match pumped.end {
        PumpEnd::Garbled(why) => Err(connector.failure(Class::Internal, "garbled", why)),
        PumpEnd::Closed | PumpEnd::Unsaved => Ok(()),
        PumpEnd::Clean | PumpEnd::Cut(_) if end.is_clean() => Ok(()),
        PumpEnd::Clean | PumpEnd::Cut(_) => Err(ended(connector, end)),
    }
}

/// Writes the messages of `input` to a destination that is set up; what it says goes to `out`.
///
/// # Errors
///
/// When the destination fails.
pub async fn write(
    given: &Given,
    host: &Host,
    catalog: &ConfiguredCatalog,
    pipes: (impl AsyncRead + Unpin + Send + 'static, impl AsyncWrite + Unpin),
    mut stop: StopReceiver,
) -> Result<(), Failure> {
    let destination = Box::pin(host.open(Role::Destination, given)).await?;
    let connector = &destination.connector;
    let documents = [
        connector.document("--config", &destination.config.config)?,
        connector.document("--catalog", catalog)?,
    ];
    let mut child = connector.start(&host.launcher, "write", &documents, true)?;
    let mut from = child.take_stdout().ok_or_else(no_pipe)?;
    let to = child.take_stdin().ok_or_else(no_pipe)?;
    let (input, mut out) = pipes;
    let mut feeding = JoinSet::new();
    feeding.spawn(feed(input, to, stop.clone()));
    let mut refusal = None;
    let heard = loop {
        tokio::select! {
            biased;
            // What came is written: its input ends, and so does it.
            asked = stop.changed() => if let Stop::Kill(_) = asked { child.kill() },
            line = next(&mut from, &mut refusal) => match line {
                Ok(Some(line)) => {
                    let written = out.write_all(&line).await.is_ok();
                    if !written || out.flush().await.is_err() {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(why) => break Err(connector.failure(Class::Internal, "garbled", why)),
            },
        }
    };
    out.flush().await.ok();
    feeding.abort_all();
    drop(from);
    let end = wait(&mut child, &mut stop).await.map_err(|error| ended(connector, error))?;
    if let Some(refusal) = refusal {
        return Err(connector.refused(&refusal));
    }
    heard?;
    if end.is_clean() { Ok(()) } else { Err(ended(connector, end)) }
}

/// Passes a destination its input as it is; when a stop is asked for, up to the end of a line.
async fn feed(
    input: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut stop: StopReceiver,
) {
    let mut input = BufReader::with_capacity(CHUNK, input);
    let mut is_between_lines = true;
    while !(is_between_lines && stop.current() != Stop::Go) {
        let piece = tokio::select! {
            biased;
            _ = stop.changed() => continue,
            piece = input.fill_buf() => piece.unwrap_or_default(),
        };
        let line_end = memchr::memchr(b'\n', piece).filter(|_| stop.current() != Stop::Go);
        let count = line_end.map_or(piece.len(), |at| at.saturating_add(1));
        let piece = piece.get(..count).unwrap_or_default();
        // A destination that takes no more says itself why.
        if piece.is_empty() || to.write_all(piece).await.is_err() {
            break;
        }
        is_between_lines = piece.ends_with(b"\n");
        input.consume(count);
    }
    to.shutdown().await.ok();
}

/// Waits for a child's end; a stop is heard meanwhile.
async fn wait(child: &mut Child, stop: &mut StopReceiver) -> Result<End, ChildError> {
    loop {
        tokio::select! {
            biased;
            asked = stop.changed() => obey(asked, child),
            end = child.wait() => return end,
        }
    }
}

/// The next line of a destination, `\n` included; its word that it cannot work is remembered.
async fn next(
    from: &mut Reader<ChildStdout>,
    refusal: &mut Option<ConnectionStatus>,
) -> Result<Option<Vec<u8>>, String> {
    let Some(raw) = from.next().await.map_err(|error| chain(&error))? else { return Ok(None) };
    let line = Line::parse(raw).map_err(|error| format!("{error}: `{}`", excerpt(raw)))?;
    if line.kind == Kind::ConnectionStatus
        && let Ok(Message::ConnectionStatus(status)) = line.message()
        && status.status == Status::Failed
    {
        *refusal = Some(status);
    }
    Ok(Some([raw, b"\n"].concat()))
}

fn obey(asked: Stop, child: &mut Child) {
    match asked {
        Stop::Go => {}
        Stop::Drain(_) => child.terminate(),
        Stop::Kill(_) => child.kill(),
    }
}

fn ended(connector: &Connector, how: impl std::fmt::Display) -> Failure {
    connector.failure(Class::Internal, "ended_badly", how)
}

fn no_pipe() -> Failure {
    Failure::new(Side::Engine, Class::Internal, "no_pipe", "a pipe is missing")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::stop::{StopCause, channel};

    #[tokio::test]
    async fn a_stop_cuts_no_line_of_the_input() {
        let (sender, stop) = channel();
        let (mut near, input) = tokio::io::duplex(64);
        let (to, mut far) = tokio::io::duplex(64);
        let talk = async {
            near.write_all(b"{}\n{\"half\"").await.unwrap();
            let mut begun = [0; 10];
            far.read_exact(&mut begun).await.unwrap();
            sender.send_replace(Stop::Drain(StopCause::Interrupt));
            near.write_all(b":1}\n{\"more\":1}\n").await.unwrap();
            let mut rest = String::new();
            far.read_to_string(&mut rest).await.unwrap();
            rest
        };
        let (rest, ()) = tokio::join!(talk, feed(input, to, stop));
        assert_eq!(rest, ":1}\n");
    }

    #[tokio::test]
    async fn a_stop_between_two_lines_waits_for_no_other() {
        let (sender, stop) = channel();
        let (mut near, input) = tokio::io::duplex(64);
        let (to, mut far) = tokio::io::duplex(64);
        let talk = async {
            near.write_all(b"{}\n").await.unwrap();
            let mut line = [0; 3];
            far.read_exact(&mut line).await.unwrap();
            sender.send_replace(Stop::Drain(StopCause::Terminate));
            far.read_to_end(&mut Vec::new()).await.unwrap()
        };
        let (rest, ()) = tokio::join!(talk, feed(input, to, stop));
        assert_eq!(rest, 0);
    }
}
