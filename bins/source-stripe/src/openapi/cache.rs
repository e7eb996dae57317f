//! The user's cache of compiled catalogues.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use connector::Environment;
use stripe_api::Catalogue;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A folder of catalogues; what cannot be read there counts as absent.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// That of the user: `sync-engine` in `XDG_CACHE_HOME`, else in `.cache` of the home folder.
    pub(crate) fn of_user(environment: &Environment) -> Self {
        let absolute = |name: &str| environment.get(name).map(PathBuf::from);
        let caches = absolute("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let caches = caches.or_else(|| Some(absolute("HOME")?.join(".cache")));
        Self { folder: caches.map(|folder| folder.join("sync-engine")) }
    }

    /// What was kept for a key.
    pub(crate) fn get(&self, key: &str) -> Option<Catalogue> {
        let path = self.path(key)?;
        let text = fs::read_to_string(&path).ok()?;
        match Catalogue::from_json(&text) {
            Ok(catalogue) => Some(catalogue),
            Err(why) => {
                tracing::debug!("`{}` is broken and made anew: {why}", path.display());
                None
            }
        }
    }

    /// Keeps a catalogue; a reader finds the whole file or none.
    ///
    /// # Errors
    ///
    /// Why it could not be kept, with the folder.
    pub(crate) fn put(&self, key: &str, catalogue: &Catalogue) -> Result<(), String> {
        let (Some(folder), Some(path)) = (&self.folder, self.path(key)) else {
            return Err("neither XDG_CACHE_HOME nor HOME is set".to_owned());
        };
        let text = catalogue.to_json().map_err(|why| why.to_string())?;
        write(folder, &path, &text).map_err(|why| format!("`{}`: {why}", folder.display()))
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("stripe-{key}.json")))
    }
}

fn write(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// The key of what is made of `content`, which is a file's bytes or its address. Another version of
/// this program has other keys.
pub(crate) fn key(content: &[u8]) -> String {
    let mut hash = Xxh3::with_seed(xxh3_64(Catalogue::embedded_json().as_bytes()));
    hash.update(env!("CARGO_PKG_VERSION").as_bytes());
    hash.update(content);
    format!("{:032x}", hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path) -> Cache {
        let all = [("XDG_CACHE_HOME".into(), folder.as_os_str().to_owned())];
        Cache::of_user(&all.into_iter().collect())
    }

    #[test]
    fn what_was_kept_is_found_and_what_is_broken_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path());
        assert_eq!(cache.get("k"), None);
        cache.put("k", Catalogue::embedded()).unwrap();
        assert_eq!(cache.get("k").as_ref(), Some(Catalogue::embedded()));
        let path = folder.path().join("sync-engine/stripe-k.json");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(cache.get("k"), None);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let why = cache(file.path()).put("k", Catalogue::embedded()).unwrap_err();
        assert!(why.contains(&file.path().display().to_string()), "{why}");
        let nowhere = Cache::of_user(&Environment::default());
        assert!(nowhere.put("k", Catalogue::embedded()).unwrap_err().contains("HOME"));
    }

    #[test]
    fn the_home_folder_serves_where_no_cache_is_named() {
        let of = |all: &[(&str, &str)]| {
            let all = all.iter().map(|(name, value)| (name.into(), value.into()));
            Cache::of_user(&all.collect()).folder
        };
        assert_eq!(of(&[("HOME", "/h")]), Some("/h/.cache/sync-engine".into()));
        let relative = [("HOME", "/h"), ("XDG_CACHE_HOME", "c")];
        assert_eq!(of(&relative), Some("/h/.cache/sync-engine".into()));
    }

    #[test]
    fn other_content_has_another_key() {
        assert_eq!(key(b"a"), key(b"a"));
        assert_ne!(key(b"a"), key(b"b"));
    }
}
