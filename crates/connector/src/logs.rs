//! Diagnostics for people, on stderr; stdout is the wire.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends diagnostics to stderr. `filter` is in the form of `RUST_LOG`; absent or wrong means `info`.
///
/// Does nothing when a subscriber is there already.
pub(crate) fn to_stderr(format: LogFormat, filter: Option<&str>) {
    let filter = filter
        .and_then(|filter| EnvFilter::try_new(filter).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let Err(error) = result {
        tracing::debug!("diagnostics go where they went before: {error}");
    }
}
