//! What can go wrong between us and a server, and what to do about it.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use crate::{Failure, Target};

/// A failure of this crate; its text never holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection URL cannot be used.
    #[error("reading the connection URL: {reason}")]
    Url {
        /// What is wrong and what is expected, without the URL itself.
        reason: String,
    },
    /// A text cannot be a name or a literal.
    #[error("making an SQL name of `{}`: {reason}", name.escape_debug())]
    Name {
        /// The text as given.
        name: String,
        /// Why the server would refuse it.
        reason: &'static str,
    },
    /// Certificates could not be read or used.
    #[error("setting up TLS: {reason}")]
    Tls {
        /// What could not be read, and what to give instead.
        reason: String,
    },
    /// No connection came about.
    #[error("connecting to {target}: {reason}{}", connect_hint(*failure, code.as_deref(), reason, target))]
    Connect {
        /// Where the connection should have gone.
        target: Box<Target>,
        /// The class of the failure.
        failure: Failure,
        /// The SQLSTATE, when the server answered.
        code: Option<String>,
        /// What the server or the network said.
        reason: String,
    },
    /// A statement failed.
    #[error("{doing}: {reason}")]
    Query {
        /// What was being done.
        doing: String,
        /// The class of the failure.
        failure: Failure,
        /// The SQLSTATE, when the server answered.
        code: Option<String>,
        /// What the server or the network said.
        reason: String,
    },
    /// The recorded migrations do not fit this program's.
    #[error("migrating schema `{schema}`: {reason}")]
    Migration {
        /// The schema whose migrations were read.
        schema: String,
        /// Which migration differs, and what to do.
        reason: String,
    },
}

impl Error {
    /// Wraps the failure of a statement; `doing` is a lowercase fragment that names the work.
    pub fn query(doing: impl Into<String>, error: &tokio_postgres::Error) -> Self {
        Self::Query {
            doing: doing.into(),
            failure: statement_failure(error),
            code: error.code().map(|code| code.code().to_owned()),
            reason: reason(error),
        }
    }

    /// Wraps the failure to get a connection.
    pub(crate) fn connect(target: &Target, error: &tokio_postgres::Error) -> Self {
        Self::Connect {
            target: Box::new(target.clone()),
            failure: connect_failure(error),
            code: error.code().map(|code| code.code().to_owned()),
            reason: reason(error),
        }
    }

    /// The class of the failure: who has to act.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Connect { failure, .. } | Self::Query { failure, .. } => *failure,
            Self::Url { .. } | Self::Name { .. } | Self::Tls { .. } | Self::Migration { .. } => {
                Failure::Internal
            }
        }
    }

    /// The SQLSTATE that the server gave, if it did.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Connect { code, .. } | Self::Query { code, .. } => code.as_deref(),
            Self::Url { .. } | Self::Name { .. } | Self::Tls { .. } | Self::Migration { .. } => {
                None
            }
        }
    }
}

fn statement_failure(error: &tokio_postgres::Error) -> Failure {
    if let Some(code) = error.code() {
        return Failure::of_code(code.code());
    }
    if error.is_closed() || io_cause(error) { Failure::Later } else { Failure::Internal }
}

fn connect_failure(error: &tokio_postgres::Error) -> Failure {
    match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Failure::Credentials,
        Some(code) => Failure::of_code(code.code()),
        // A password that is missing or cannot be used fails here, before the server judges it.
        None if error.to_string().contains("configuration") => Failure::Credentials,
        None => Failure::Unreachable,
    }
}

fn io_cause(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The server's own words, or the chain of causes.
fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(answer) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", answer.message(), answer.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn connect_hint(failure: Failure, code: Option<&str>, reason: &str, target: &Target) -> String {
    match (failure, code) {
        (Failure::Unreachable, None)
            if reason.contains("NotValidForName") || reason.contains("not valid for name") =>
        {
            "; connect by the name that the certificate is for, or use sslmode `verify-ca`"
                .to_owned()
        }
        (Failure::Unreachable, None) if reason.contains("peer certificate") => {
            "; give the certificate of the authority that signed the server's, by `sslrootcert` in \
             the URL or by `ssl_ca_pem`"
                .to_owned()
        }
        (Failure::Unreachable, None) if reason.contains("does not support TLS") => {
            "; use sslmode `prefer` or `disable`, or switch on TLS at the server".to_owned()
        }
        (Failure::Credentials, Some("3D000")) => {
            format!("; create it first: CREATE DATABASE {}", target.database_for_sql())
        }
        (Failure::Credentials, Some("28000")) => {
            "; check the user name and the server's pg_hba.conf".to_owned()
        }
        (Failure::Credentials, _) => "; check user and password in the connection URL".to_owned(),
        (Failure::Unreachable, _) => {
            "; check that the server runs there and that host and port are right".to_owned()
        }
        (Failure::Later, Some("53300")) => {
            "; too many connections are open, close some or raise max_connections".to_owned()
        }
        _ => String::new(),
    }
}
