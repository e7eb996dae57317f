//! What went wrong, who has to act, and whether trying again can help.

use std::error::Error as StdError;
use std::fmt;

use protocol::{Class, exit};

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call may succeed in a while.
    Later,
    /// Not before a person has changed something.
    AfterFix,
    /// The same call will always fail.
    Never,
}

/// An end that is nobody's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    StdoutClosed,
    Stopped,
}

/// An error of a connector: what was being done, what came back, what to do.
///
/// The message is a lowercase fragment without full stop; secrets never stand in it.
#[derive(Debug)]
pub struct Error {
    class: Class,
    retry: Retry,
    message: String,
    hint: Option<String>,
    quiet: Option<Quiet>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    fn new(class: Class, retry: Retry, message: String) -> Self {
        Self { class, retry, message, hint: None, quiet: None, source: None }
    }

    /// The configuration, catalog, state or command line is wrong.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Class::Config, Retry::AfterFix, message.into())
    }

    /// The key or password is wrong.
    pub fn credentials(message: impl Into<String>) -> Self {
        Self::new(Class::Credentials, Retry::AfterFix, message.into())
    }

    /// A permission is missing.
    pub fn permission(message: impl Into<String>) -> Self {
        Self::new(Class::Permission, Retry::AfterFix, message.into())
    }

    /// The other side cannot be reached, or says that it is busy.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Class::Unreachable, Retry::Later, message.into())
    }

    /// The data does not fit.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Class::Data, Retry::Never, message.into())
    }

    /// Something that should not happen.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Class::Internal, Retry::Never, message.into())
    }

    /// Nobody reads our stdout any more: the connector ends, quietly.
    #[must_use]
    pub fn stdout_closed() -> Self {
        let quiet = Some(Quiet::StdoutClosed);
        Self { quiet, ..Self::internal("writing to stdout, which was closed") }
    }

    /// Somebody asked for a stop while something was waited for: what was begun is left, and the
    /// connector ends as after any stop.
    #[must_use]
    pub fn stopped() -> Self {
        Self {
            quiet: Some(Quiet::Stopped),
            ..Self::unreachable("waiting, until a stop was asked for")
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what came back.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Overrides when to try again.
    #[must_use]
    pub const fn retry_when(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Who has to act.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// When to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.retry
    }

    /// Whether this is the end of our reader rather than a fault.
    #[must_use]
    pub const fn is_stdout_closed(&self) -> bool {
        matches!(self.quiet, Some(Quiet::StdoutClosed))
    }

    /// Whether this is a stop that was asked for rather than a fault.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.quiet, Some(Quiet::Stopped))
    }

    /// Everything in one line: what was being done, the causes, what to do. Secrets masked.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("; {hint}"));
        }
        protocol::secret::mask(&text.replace('\n', " "))
    }

    /// The exit status of a connector that ends with this.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self.class {
            Class::Config => exit::USAGE,
            Class::Credentials
            | Class::Permission
            | Class::Unreachable
            | Class::Data
            | Class::Internal => exit::FAILED,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_done_what_came_and_what_to_do() {
        let error = Error::unreachable("connecting to `db:5432`")
            .caused_by(std::io::Error::other("refused"))
            .hint("is the server running?");
        assert_eq!(error.report(), "connecting to `db:5432`: refused; is the server running?");
        assert_eq!((error.retry(), error.exit_status()), (Retry::Later, 1));
    }

    #[test]
    fn a_report_masks_what_a_cause_says() {
        let error = Error::internal("x").caused_by(std::io::Error::other("sk_test_0123456789ab"));
        assert_eq!(error.report(), "x: sk_test_…89ab");
    }
}
