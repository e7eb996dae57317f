//! The account that is read, and what of it a source is told to read.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::release;
use super::stripe::Stripe;
use crate::suite::command;

/// Streams with their share of all objects, in hundredths.
const MIX: [(&str, usize); 5] = [
    ("customers", 30),
    ("charges", 25),
    ("payment_intents", 25),
    ("invoices", 10),
    ("products", 10),
];

/// Names of the streams of a mixed account.
pub(super) fn streams() -> Vec<&'static str> {
    MIX.iter().map(|(name, _)| *name).collect()
}

/// Objects of a mixed account, as fake-stripe takes them, and how many they are.
pub(super) fn mixed(records: usize) -> (String, u64) {
    let counts = MIX.map(|(name, share)| (name, records * share / 100));
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    (words.join(","), u64::try_from(all).unwrap_or(u64::MAX))
}

/// A source's configuration and catalog as files in a folder.
pub(super) struct Files {
    config: PathBuf,
    catalog: PathBuf,
}

impl Files {
    /// Writes them; the streams' schemas come from the source itself. `extra` joins the
    /// configuration.
    pub(super) fn write(
        folder: &Path,
        stripe: &Stripe,
        streams: &[&str],
        extra: &Value,
    ) -> Result<Self, String> {
        let files =
            Self { config: folder.join("config.json"), catalog: folder.join("catalog.json") };
        let mut config = stripe.config();
        for (name, value) in extra.as_object().into_iter().flatten() {
            if let Some(config) = config.as_object_mut() {
                config.insert(name.clone(), value.clone());
            }
        }
        let told = |error: std::io::Error| format!("writing into `{}`: {error}", folder.display());
        std::fs::write(&files.config, config.to_string()).map_err(told)?;
        let source = release("source-stripe");
        let mut discover = command(&source);
        discover.arg("discover").arg("--config").arg(&files.config);
        let said = discover.output().map_err(|error| {
            format!("starting `{}`: {error}; leave out `--built` to build it", source.display())
        })?;
        let lines = String::from_utf8_lossy(&said.stdout).into_owned();
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let catalog = messages.filter_map(|message| message.get("catalog").cloned()).next();
        let catalog =
            catalog.ok_or_else(|| format!("source-stripe discovers nothing: {said:?}"))?;
        let wanted = |stream: &&Value| {
            let name = stream.get("name").and_then(Value::as_str);
            name.is_some_and(|name| streams.contains(&name))
        };
        let all = catalog.get("streams").and_then(Value::as_array).into_iter().flatten();
        let configured: Vec<Value> = all
            .filter(wanted)
            .map(|stream| {
                json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"})
            })
            .collect();
        std::fs::write(&files.catalog, json!({"streams": configured}).to_string()).map_err(told)?;
        Ok(files)
    }

    /// `source-stripe read`.
    pub(super) fn read(&self) -> Command {
        let mut read = command(release("source-stripe"));
        read.arg("read").arg("--config").arg(&self.config).arg("--catalog").arg(&self.catalog);
        read
    }

    /// The catalog's file.
    pub(super) fn catalog(&self) -> &Path {
        &self.catalog
    }
}
