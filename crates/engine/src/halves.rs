//! One half of the pipe: a source to whoever reads, or whoever writes to a destination.

use std::sync::Arc;

use protocol::ndjson::Reader;
use protocol::{
    Class, ConfiguredCatalog, ConnectionStatus, Kind, Line, Message, SourceState, Status, excerpt,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::call::Connector;
use crate::catalog::{select, unselected};
use crate::child::Child;
use crate::failure::{Failure, Side, chain};
use crate::gate::{Gate, Note};
use crate::job::{Given, Host, Job};
use crate::pump::{PumpEnd, Reports, pump};
use crate::ready::narrow;
use crate::resolve::Role;
use crate::stop::{Stop, StopReceiver};

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
    let end = child.wait().await.map_err(|error| ended(connector, error))?;
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
    let mut to = child.take_stdin().ok_or_else(no_pipe)?;
    let (mut input, mut out) = pipes;
    let mut feeding = JoinSet::new();
    feeding.spawn(async move {
        // A destination that takes no more says itself why.
        tokio::io::copy(&mut input, &mut to).await.ok();
        to.shutdown().await.ok();
    });
    let mut refusal = None;
    let heard = loop {
        tokio::select! {
            biased;
            asked = stop.changed() => {
                // What came is written; its end of the pipe is closed.
                feeding.abort_all();
                if let Stop::Kill(_) = asked { child.kill() }
            }
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
    let end = child.wait().await.map_err(|error| ended(connector, error))?;
    if let Some(refusal) = refusal {
        return Err(connector.refused(&refusal));
    }
    heard?;
    if end.is_clean() { Ok(()) } else { Err(ended(connector, end)) }
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
