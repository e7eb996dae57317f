//! A configuration that a connector gives back, and what of it outlives the run.
//!
//! What is not secret is kept with the pipeline; what is goes into a file that only its owner may
//! read. Both fill in what nobody gives the next time.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use protocol::Spec;

use crate::config::{Config, has_key, is_secret};
use crate::job::Opened;
use crate::resolve::Role;

/// What a connector changed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changed {
    /// Values that may be kept with the pipeline.
    pub(crate) open: Config,
    /// Values that are secrets.
    pub(crate) secret: Config,
}

/// What is new in `after`; pure.
pub(crate) fn changed(spec: &Spec, before: &Config, after: &Config) -> Changed {
    let mut changed = Changed::default();
    for (key, value) in after {
        if before.get(key) == Some(value) || !has_key(spec, key) {
            continue;
        }
        let place = if is_secret(spec, key) { &mut changed.secret } else { &mut changed.open };
        place.insert(key.clone(), value.clone());
    }
    changed
}

/// Takes in a configuration that a side gave back, and says what somebody should know of that.
pub(crate) fn adopt(
    role: Role,
    opened: &mut Opened,
    after: Config,
    pinned: &mut Config,
    secrets: &Path,
) -> Option<String> {
    let changed = changed(&opened.spec, &opened.config.config, &after);
    opened.config.config = after;
    pinned.extend(changed.open.into_iter().map(|(key, value)| (kept_key(role, &key), value)));
    if changed.secret.is_empty() {
        return None;
    }
    let keys: Vec<&str> = changed.secret.keys().map(String::as_str).collect();
    let (keys, path) = (keys.join("`, `"), secrets.display());
    Some(match save_secrets(secrets, &changed.secret) {
        Ok(()) => format!("`{keys}` of the {role} is kept in `{path}`, which only you may read"),
        Err(error) => {
            format!("`{keys}` of the {role} could not be kept in `{path}`: {error}; it is lost")
        }
    })
}

/// The name under which a pipeline keeps a key: those of the source have their own.
pub(crate) fn kept_key(role: Role, key: &str) -> String {
    match role {
        Role::Source => key.to_owned(),
        Role::Destination => format!("{role}.{key}"),
    }
}

/// What a pipeline keeps for one side; pure.
pub(crate) fn kept_for(role: Role, pinned: &Config) -> Config {
    let own = |(key, value): (&String, &serde_json::Value)| {
        let key = match role {
            Role::Source => (!key.contains('.')).then_some(key.as_str()),
            Role::Destination => key.strip_prefix("destination."),
        };
        Some((key?.to_owned(), value.clone()))
    };
    pinned.iter().filter_map(own).collect()
}

/// The file of a side's secrets.
pub(crate) fn secrets_file(folder: &Path, pipeline: &str, role: Role) -> PathBuf {
    folder.join(format!("{}.{role}.secrets.json", crate::store::file_name(pipeline)))
}

/// Secrets kept before; none where there is no file.
pub(crate) fn load_secrets(path: &Path) -> io::Result<Config> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Config::new()),
        Err(error) => Err(error),
    }
}

/// Removes secrets kept before, where there are any.
pub(crate) fn remove_secrets(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Adds secrets to a file that only its owner may read; it is replaced as a whole.
pub(crate) fn save_secrets(path: &Path, secrets: &Config) -> io::Result<()> {
    let mut kept = load_secrets(path)?;
    kept.extend(secrets.clone());
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(&kept)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    fn config(value: serde_json::Value) -> Config {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_secret_is_told_apart_and_what_is_unknown_is_not_kept() {
        let spec =
            Spec::new(json!({"properties": {"id": {}, "url": {}, "key": {"writeOnly": true}}}));
        let before = config(json!({"url": "u"}));
        let after = config(json!({"url": "u", "id": 1, "key": "k", "other": 2}));
        let expected =
            Changed { open: config(json!({"id": 1})), secret: config(json!({"key": "k"})) };
        assert_eq!(changed(&spec, &before, &after), expected);
    }

    #[test]
    fn each_side_gets_back_what_is_its_own() {
        let pinned = config(json!({"api_version": "v", "destination.id": 1}));
        assert_eq!(kept_for(Role::Source, &pinned), config(json!({"api_version": "v"})));
        assert_eq!(kept_for(Role::Destination, &pinned), config(json!({"id": 1})));
        assert_eq!(kept_key(Role::Destination, "id"), "destination.id");
    }

    #[test]
    fn secrets_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = secrets_file(&folder.path().join("deep"), "a/b", Role::Source);
        assert!(load_secrets(&path).unwrap().is_empty());
        save_secrets(&path, &config(json!({"a": "x"}))).unwrap();
        save_secrets(&path, &config(json!({"b": "y"}))).unwrap();
        assert_eq!(load_secrets(&path).unwrap(), config(json!({"a": "x", "b": "y"})));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        remove_secrets(&path).unwrap();
        remove_secrets(&path).unwrap();
        assert!(!path.exists());
    }
}
