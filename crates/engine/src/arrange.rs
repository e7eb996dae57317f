//! Making ready and clearing away, without moving data.

use protocol::{Level, Message};

use crate::client::Client;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::job::{Host, Job};
use crate::keeper::Keeper;
use crate::prepare::hold;
use crate::ready::{Ready, own_values, ready, relay};
use crate::reduce::Unsaved;
use crate::resolve::Role;

/// Sets up both sides, or `only` one, as a run would; keeps what they give back.
///
/// # Errors
///
/// When a side cannot be set up, or a run of the pipeline is at work.
pub async fn setup<C: Client>(
    job: &Job,
    host: &Host,
    only: Option<Role>,
    client: &mut C,
) -> Result<(), Failure> {
    let mut desk = Desk::new(client, host.now);
    let Ready { kept, holder, .. } = ready(job, host, only, &mut desk).await?;
    desk.store.prepare().await.map_err(|error| desk.failure(&error))?;
    hold(&holder, kept, &mut desk).await?;
    let saved = desk.store.save(Unsaved::default(), Some(&desk.pipeline)).await;
    saved.map_err(|error| desk.failure(&error))?;
    desk.store.release().await.map_err(|error| desk.failure(&error))
}

/// Removes what setup made on both sides, or on `only` one. What is removed at the destination is
/// read again by the next run: its state is forgotten first.
///
/// # Errors
///
/// When a side fails, or a run of the pipeline is at work.
pub async fn teardown<C: Client>(
    job: &Job,
    host: &Host,
    only: Option<Role>,
    client: &mut C,
) -> Result<(), Failure> {
    let mut desk = Desk::new(client, host.now);
    let mut keeper = Keeper::find(job, host).await?;
    let pinned = keeper.pinned().await?;
    if only != Some(Role::Source) && keeper.knows_anything().await? {
        keeper.reset(None).await?;
        desk.log(Level::Info, "the state is forgotten; the next run begins afresh").await;
    }
    for (role, given) in [(Role::Destination, &job.destination), (Role::Source, &job.source)] {
        if only.is_some_and(|only| only != role) {
            continue;
        }
        let mut opened = Box::pin(host.open(role, given)).await?;
        let own = own_values(host, &keeper.pipeline, role, &pinned)?;
        host.complete(role, &mut opened, &own)?;
        let removed = opened.connector.teardown(&host.launcher, &opened.config.config);
        let answer: Vec<Message> = removed.await?;
        relay(&format!("{role}/{}", opened.config.connector_type), &answer, &mut desk).await;
    }
    Ok(())
}
