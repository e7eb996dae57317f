//! What a failure of SQLite means for the run, and what to tell a person.

use std::path::Path;

use connector::{Error, Retry};
use rusqlite::ErrorCode;

/// What SQLite said, without the statement that it said it about.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// Translates a failure of something that was done to a file.
pub(crate) fn explain(doing: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let doing = format!("{doing} `{}`", path.display());
    let file = path.display();
    let told = match code(error) {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::unreachable(doing)
            .hint(format!(
                "another program keeps `{file}` locked, and 10 s of waiting did not help; \
                 let it finish, then run again"
            )),
        Some(ErrorCode::DiskFull) => Error::unreachable(doing)
            .retry_when(Retry::AfterFix)
            .hint("free disk space, then run again"),
        Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
            Error::unreachable(doing)
                .retry_when(Retry::AfterFix)
                .hint("look at the disk and its limits, then run again")
        }
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied,
        ) => Error::permission(doing)
            .hint(format!("make `{file}` and its folder writable for this user")),
        Some(ErrorCode::CannotOpen) => {
            Error::config(doing).hint("`path` must be a file that this user may write")
        }
        Some(ErrorCode::NotADatabase) => {
            Error::config(doing).hint("that file is something else; choose another `path`")
        }
        Some(ErrorCode::DatabaseCorrupt) => Error::internal(doing).hint(format!(
            "restore `{file}` from a backup, or delete it and its -wal file and sync again"
        )),
        Some(ErrorCode::Unknown | ErrorCode::SchemaChanged) => {
            Error::config(doing).hint("run `destination-sqlite setup` with the same catalog")
        }
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            Error::data(doing)
        }
        Some(_) | None => Error::internal(doing),
    };
    told.caused_by(Said(said(error)))
}

/// Whether a failure is one of the file, not of one stream.
pub(crate) fn ends_the_run(error: &rusqlite::Error) -> bool {
    !matches!(
        code(error),
        None | Some(
            ErrorCode::Unknown
                | ErrorCode::SchemaChanged
                | ErrorCode::TooBig
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
        )
    )
}

/// Whether a failure is one of a single row: the statement left nothing behind, others may go on.
pub(crate) fn is_of_one_row(error: &rusqlite::Error) -> bool {
    matches!(
        code(error),
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch)
    )
}

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(code(error), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    if let rusqlite::Error::SqlInputError { error, .. } = error {
        return Some(error.code);
    }
    error.sqlite_error_code()
}

fn said(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqlInputError { msg, .. } = error {
        return msg.clone();
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use protocol::Class;
    use rusqlite::{Connection, ffi};

    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn each_failure_says_who_has_to_act_and_how_far_it_reaches() {
        let table = [
            (ffi::SQLITE_BUSY, Class::Unreachable, Retry::Later, true),
            (ffi::SQLITE_FULL, Class::Unreachable, Retry::AfterFix, true),
            (ffi::SQLITE_IOERR_WRITE, Class::Unreachable, Retry::AfterFix, true),
            (ffi::SQLITE_READONLY, Class::Permission, Retry::AfterFix, true),
            (ffi::SQLITE_CANTOPEN, Class::Config, Retry::AfterFix, true),
            (ffi::SQLITE_NOTADB, Class::Config, Retry::AfterFix, true),
            (ffi::SQLITE_CORRUPT, Class::Internal, Retry::Never, true),
            (ffi::SQLITE_NOMEM, Class::Internal, Retry::Never, true),
            (ffi::SQLITE_ERROR, Class::Config, Retry::AfterFix, false),
            (ffi::SQLITE_CONSTRAINT, Class::Data, Retry::Never, false),
        ];
        for (code, class, retry, whole) in table {
            let error = failure(code);
            let told = explain("writing to", Path::new("a.db"), &error);
            assert_eq!((told.class(), told.retry()), (class, retry), "{error}");
            assert_eq!(ends_the_run(&error), whole, "{error}");
        }
    }

    #[test]
    fn a_report_leaves_the_statement_out() {
        let connection = Connection::open_in_memory().unwrap();
        let error = connection.prepare("SELECT 1 FROM nowhere WHERE x = 'long'").unwrap_err();
        assert_eq!(
            explain("writing to", Path::new("a.db"), &error).report(),
            "writing to `a.db`: no such table: nowhere; run `destination-sqlite setup` with the same catalog"
        );
    }
}
