//! Making ready and clearing away, without moving data.

use protocol::{Level, Message};

use crate::client::Client;
use crate::control::{remove_secrets, secrets_file};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::job::{Host, Job, Opened};
use crate::keeper::Keeper;
use crate::prepare::hold;
use crate::ready::{Ready, own_values, ready, relay};
use crate::reduce::Unsaved;
use crate::resolve::Role;
use crate::store::Removed;

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
/// read again by the next run: its state is forgotten first. With both sides the pipeline goes as a
/// whole: its runs, its secrets, and the place of its state unless other pipelines keep theirs there.
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
    let mut sides = Vec::new();
    for (role, given) in [(Role::Destination, &job.destination), (Role::Source, &job.source)] {
        if only.is_some_and(|only| only != role) {
            continue;
        }
        let mut opened = Box::pin(host.open(role, given)).await?;
        let own = own_values(host, &keeper.pipeline, role, &pinned)?;
        host.complete(role, &mut opened, &own)?;
        let answer = clear(host, &opened).await?;
        relay(&format!("{role}/{}", opened.config.connector_type), &answer, &mut desk).await;
        sides.push(opened);
    }
    if only.is_none() {
        forget(host, &mut keeper, sides.first(), &mut desk).await?;
    }
    Ok(())
}

async fn clear(host: &Host, opened: &Opened) -> Result<Vec<Message>, Failure> {
    opened.connector.teardown(&host.launcher, &opened.config.config).await
}

/// Forgets the pipeline itself, last: until then everything can be repeated.
async fn forget<C: Client>(
    host: &Host,
    keeper: &mut Keeper,
    destination: Option<&Opened>,
    desk: &mut Desk<'_, C>,
) -> Result<(), Failure> {
    let place = keeper.describe();
    let removed = keeper.remove().await?;
    match removed {
        Removed::Nothing => {}
        Removed::Rows => {
            let text = format!("{place} stays with its like: other pipelines use them");
            desk.log(Level::Info, text).await;
        }
        Removed::Place => {
            desk.log(Level::Info, format!("{place} is removed, and the run log with it")).await;
        }
    }
    if let Some(destination) = destination.filter(|_| keeper.is_in_the_copy())
        && removed == Removed::Place
    {
        // What held both, such as a schema that setup made, could not go before.
        clear(host, destination).await?;
    }
    for role in [Role::Destination, Role::Source] {
        let path = secrets_file(&host.state_folder, &keeper.pipeline, role);
        remove_secrets(&path).map_err(|error| {
            Failure::config(format!("removing secrets in `{}`: {error}", path.display()))
        })?;
    }
    Ok(())
}
