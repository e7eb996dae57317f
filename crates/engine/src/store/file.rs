//! State in a file of its own: written whole, beside the old one, then put in its place.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::{SourceState, Timestamp};
use serde::{Deserialize, Serialize};

use super::kept::{Kept, Pipeline, Removed, StoreError};
use super::lease::Holder;
use crate::reduce::Unsaved;
use crate::runlog::RunRecord;

/// State in a JSON file.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    name: String,
    /// What the file holds, so that a save need not read it.
    body: Option<Body>,
    /// Locked while this process runs the pipeline.
    lock: Option<File>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Body {
    sync_id: String,
    pipeline: Pipeline,
    source: SourceState,
    /// The latest runs, the oldest first.
    runs: Vec<RunRecord>,
    /// When each stream was complete the last time.
    freshness: BTreeMap<String, Fresh>,
}

/// How fresh a stream is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fresh {
    run_id: String,
    up_to: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    #[serde(default)]
    changed_at: Option<Timestamp>,
}

/// How many runs a file keeps.
const RUNS: usize = 100;

impl FileStore {
    pub(super) fn new(path: PathBuf, name: &str) -> Self {
        Self { path, name: name.to_owned(), body: None, lock: None }
    }

    pub(super) fn describe(&self) -> String {
        format!("`{}`", self.path.display())
    }

    pub(super) async fn load(&mut self) -> Result<Kept, StoreError> {
        let body = self.body().await?;
        let kept = Kept {
            source: body.source.clone(),
            pipeline: body.pipeline.clone(),
            unreadable: Vec::new(),
        };
        self.body = Some(body);
        Ok(kept)
    }

    pub(super) async fn save(
        &mut self,
        unsaved: Unsaved,
        pipeline: Option<Pipeline>,
    ) -> Result<(), StoreError> {
        let mut body = self.body().await?;
        body.source.streams.extend(unsaved.streams);
        body.source.global = unsaved.global.or(body.source.global);
        body.pipeline = pipeline.unwrap_or(body.pipeline);
        self.write(body).await
    }

    pub(super) async fn reset(&mut self, streams: Option<Vec<String>>) -> Result<(), StoreError> {
        let mut body = self.body().await?;
        match streams {
            None => body.source = SourceState::default(),
            Some(streams) => body.source.streams.retain(|name, _| !streams.contains(name)),
        }
        self.write(body).await
    }

    /// The lock is a file beside the state that stays; the operating system lets go of it when its
    /// process ends, however it ends.
    pub(super) async fn acquire(&mut self, holder: &Holder) -> Result<bool, StoreError> {
        if self.lock.is_some() {
            return Ok(true);
        }
        let path = self.lock_path();
        let words = holder.to_string();
        let at = path.clone();
        let locked = tokio::task::spawn_blocking(move || lock(&at, &words));
        let locked = locked.await.map_err(|error| StoreError::CutOff(error.to_string()))?;
        let path = path.display().to_string();
        match locked.map_err(|source| StoreError::File { doing: "locking", path, source })? {
            Ok(file) => {
                self.lock = Some(file);
                Ok(true)
            }
            Err(holder) => {
                // Between taking it and saying so there is a moment.
                let said = Some(holder).filter(|holder| !holder.is_empty());
                let holder = said.unwrap_or_else(|| "another process".to_owned());
                Err(StoreError::Held { pipeline: self.name.clone(), holder })
            }
        }
    }

    pub(super) const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    pub(super) fn release(&mut self) {
        self.lock = None;
    }

    pub(super) fn remove(&mut self) -> Result<Removed, StoreError> {
        self.body = None;
        let removed = if self.path.exists() { Removed::Place } else { Removed::Nothing };
        for path in [self.path.clone(), self.lock_path()] {
            if let Err(source) = std::fs::remove_file(&path)
                && source.kind() != io::ErrorKind::NotFound
            {
                let path = path.display().to_string();
                return Err(StoreError::File { doing: "removing", path, source });
            }
        }
        self.lock = None;
        Ok(removed)
    }

    fn lock_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        path.into()
    }

    pub(super) async fn runs(&mut self, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let body = self.body().await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let runs = body.runs.iter().rev().take(limit).cloned().collect();
        self.body = Some(body);
        Ok(runs)
    }

    pub(super) async fn save_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        let mut body = self.body().await?;
        body.runs.retain(|known| known.run_id != run.run_id);
        body.runs.push(run.clone());
        let too_many = body.runs.len().saturating_sub(RUNS);
        body.runs.drain(..too_many);
        for (name, stream) in &run.progress.streams {
            if let Some(up_to) = run.up_to(stream) {
                let known = body.freshness.get(name);
                let changed_at = stream.changed_at.or(known.and_then(|known| known.changed_at));
                let fresh = Fresh {
                    run_id: run.run_id.clone(),
                    up_to: Some(up_to),
                    completed_at: run.ended_at.or(run.noted_at),
                    changed_at,
                };
                body.freshness.insert(name.clone(), fresh);
            }
        }
        self.write(body).await
    }

    async fn body(&mut self) -> Result<Body, StoreError> {
        if let Some(body) = self.body.take() {
            return Ok(body);
        }
        let path = || self.path.display().to_string();
        let body: Body = match tokio::fs::read(&self.path).await {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StoreError::Damaged { path: path(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Body { sync_id: self.name.clone(), ..Body::default() }
            }
            Err(source) => {
                return Err(StoreError::File { doing: "reading state from", path: path(), source });
            }
        };
        if body.sync_id != self.name {
            return Err(StoreError::OtherPipeline {
                path: path(),
                found: body.sync_id,
                wanted: self.name.clone(),
            });
        }
        Ok(body)
    }

    async fn write(&mut self, body: Body) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&body)?;
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &bytes))
            .await
            .map_err(|error| StoreError::CutOff(error.to_string()))?;
        let path = || self.path.display().to_string();
        written.map_err(|source| StoreError::File {
            doing: "writing state to",
            path: path(),
            source,
        })?;
        self.body = Some(body);
        Ok(())
    }
}

/// The locked file, or what its holder wrote into it.
fn lock(path: &Path, holder: &str) -> io::Result<Result<File, String>> {
    std::fs::create_dir_all(folder_of(path))?;
    let mut options = File::options();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Err(std::fs::read_to_string(path)?)),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.write_all(holder.as_bytes())?;
    Ok(Ok(file))
}

/// Whoever reads the file, whenever the power goes, finds the old text or the new one, whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn unsaved(stream: &str, state: &str) -> Unsaved {
        let state = RawValue::from_string(state.to_owned()).unwrap();
        Unsaved { streams: [(stream.to_owned(), state)].into(), ..Unsaved::default() }
    }

    #[tokio::test]
    async fn what_was_saved_is_loaded_with_its_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("state.json");
        let mut store = FileStore::new(path.clone(), "p");
        store.load().await.unwrap();
        store.save(unsaved("a", r#"{"n":1.10}"#), None).await.unwrap();
        store.save(unsaved("b", "2"), Some(Pipeline::default())).await.unwrap();
        store.reset(Some(vec!["b".to_owned()])).await.unwrap();
        let kept = FileStore::new(path.clone(), "p").load().await.unwrap();
        assert_eq!(kept.source.streams.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(kept.source.streams["a"].get(), r#"{"n":1.10}"#);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_cut_file_and_one_of_another_pipeline_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, r#"{"sync_id":"p","source":{"streams":{"a":{"rem"#).unwrap();
        let error = FileStore::new(path.clone(), "p").load().await.unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
        std::fs::write(&path, r#"{"sync_id":"other"}"#).unwrap();
        let error = FileStore::new(path, "p").load().await.unwrap_err().to_string();
        assert!(error.contains("belongs to the pipeline `other`, not to `p`"), "{error}");
    }
}
