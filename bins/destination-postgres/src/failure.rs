//! What a failure of the server means for the run, and what to tell a person.

use connector::{Error, Retry};
use pg::{Failure, Ident, Target};

/// Translates a failure; `remedy` is what to do when a privilege or an object is missing.
pub(crate) fn explain(error: pg::Error, remedy: &str) -> Error {
    let text = error.to_string();
    match error.failure() {
        Failure::Later | Failure::Unreachable => Error::unreachable(text),
        Failure::Credentials => Error::credentials(text),
        Failure::Permission => Error::permission(text).hint(remedy),
        Failure::Structure => Error::config(text).hint(remedy),
        Failure::Row => Error::data(text),
        Failure::DiskFull => Error::unreachable(text)
            .retry_when(Retry::AfterFix)
            .hint("free disk space on the server, then run again"),
        Failure::Internal => Error::internal(text),
    }
}

/// Whether a failure is one of the connection, not of one stream.
pub(crate) fn ends_the_run(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Later | Failure::Unreachable | Failure::Credentials | Failure::DiskFull
    )
}

/// What setup needs.
pub(crate) fn setup_remedy(schema: &Ident, database: &str, user: &str) -> String {
    let (Ok(database), Ok(user)) = (Ident::new(database), Ident::new(user)) else {
        return String::new();
    };
    format!(
        "let an owner run: CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE, CREATE ON SCHEMA \
         {schema} TO {user}; (or, to let us make the schema: GRANT CREATE ON DATABASE {database} \
         TO {user})"
    )
}

/// What setup and writing need, as a script.
pub(crate) fn grants(schema: &Ident, target: &Target) -> String {
    let user = Ident::new(&target.user).map(|user| user.to_string()).unwrap_or_default();
    let database = Ident::new(&target.database).map(|name| name.to_string()).unwrap_or_default();
    format!(
        "-- to set up and write: an owner of database {database} runs\n\
         CREATE SCHEMA IF NOT EXISTS {schema};\n\
         GRANT USAGE, CREATE ON SCHEMA {schema} TO {user};\n\
         -- to write only, into tables that another user has set up: the owner of those runs\n\
         GRANT USAGE ON SCHEMA {schema} TO {user};\n\
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user};\n"
    )
}

/// What writing needs.
pub(crate) fn write_remedy(schema: &Ident, user: &str) -> String {
    let Ok(user) = Ident::new(user) else { return String::new() };
    format!(
        "run `destination-postgres setup` with the same catalog, and let an owner run: GRANT USAGE \
         ON SCHEMA {schema} TO {user}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL \
         TABLES IN SCHEMA {schema} TO {user}"
    )
}
