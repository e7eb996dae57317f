//! `sync-engine check`: both connectors, a line each.

use engine::outcome::worst;
use engine::resolve::Role;
use engine::{Failure, Given, Host, pipeline};
use protocol::exit;

use crate::cli::ConnectionArgs;
use crate::given_keys::GivenKeys;
use crate::session;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::sync::status_of;

/// Asks both; returns the exit status that matters most.
pub(crate) async fn run(
    args: &ConnectionArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let settings = Settings::gather(args, keys, surroundings)?;
    let host = session::host(args, &settings, surroundings)?;
    let source = one(&host, Role::Source, &settings.source).await;
    let destination = one(&host, Role::Destination, &settings.destination).await;
    Ok(worst([source, destination]))
}

async fn one(host: &Host, role: Role, given: &Given) -> u8 {
    let what = match role {
        Role::Source => given.connector.connector_type.clone(),
        Role::Destination => pipeline::describe(&given.connector),
    };
    match Box::pin(engine::check(host, role, given)).await {
        Ok(status) => {
            let message = status.message.map(|text| format!(" ({text})")).unwrap_or_default();
            crate::print(&format!("{role} {what}: ok{message}\n"));
            exit::OK
        }
        Err(failure) => {
            crate::print(&format!("{role} {what}: failed: {failure}\n"));
            status_of(&failure)
        }
    }
}
