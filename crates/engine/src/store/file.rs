//! State in a file of its own: written whole, beside the old one, then put in its place.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::SourceState;
use serde::{Deserialize, Serialize};

use super::kept::{Kept, Pipeline, StoreError};
use crate::reduce::Unsaved;

/// State in a JSON file.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    name: String,
    /// What the file holds, so that a save need not read it.
    body: Option<Body>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Body {
    sync_id: String,
    pipeline: Pipeline,
    source: SourceState,
}

impl FileStore {
    pub(super) fn new(path: PathBuf, name: &str) -> Self {
        Self { path, name: name.to_owned(), body: None }
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

/// Whoever reads the file, whenever the power goes, finds the old text or the new one, whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
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
