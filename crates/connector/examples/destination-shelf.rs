//! A whole destination: `docs/add-a-connector.md` shows this file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use connector::version::{Action, Stored, content_of, resolve, row_hash};
use connector::{
    About, Batch, BatchLimits, Destination, Emitter, Error, Loaded, Row, StreamBatch, StreamPlan,
    marked_document,
};
use protocol::{ConfiguredCatalog, Level, Place, Places, Spec, WrittenCounts};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Keeps each stream in one JSON file.
struct Shelf {
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Config {
    folder: PathBuf,
}

/// The identity of the file, made with it and kept in it, and its rows by key.
#[derive(Serialize, Deserialize)]
struct Book {
    place: String,
    rows: BTreeMap<String, Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    stamp: i64,
    hash: i64,
    deleted: bool,
    document: String,
}

impl Destination for Shelf {
    const ABOUT: About = About {
        name: "destination-shelf",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Keeps records in JSON files.",
        example: r#"destination-shelf write --config '{"folder":"shelf"}' --catalog catalog.json"#,
        environment: &[],
    };
    type Config = Config;

    fn spec() -> Spec {
        Spec::new(json!({
            "type": "object",
            "properties": {"folder": {"type": "string", "description": "Where the files go"}},
            "required": ["folder"],
            "additionalProperties": false,
        }))
    }

    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self { folder: config.folder })
    }

    async fn check(&mut self, _: &[StreamPlan], _: &mut Emitter) -> Result<String, Error> {
        fs::read_dir(&self.folder).map_err(|error| failed(&self.folder, error))?;
        Ok("the folder is there".to_owned())
    }

    // Only adds, and a second call changes nothing.
    async fn setup(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<(), Error> {
        let mut places = Places::new();
        for plan in plans {
            let path = self.path(plan.name())?;
            if !path.exists() {
                let place = uuid::Uuid::new_v4().to_string();
                save(&path, &Book { place, rows: BTreeMap::new() })?;
            }
            let id = read(&path)?.place;
            places.insert(plan.name().to_owned(), Place { id, run: None });
        }
        out.places("the files are ready", places).await
    }

    // Removes what setup made and nothing of anybody else's; without a catalog a real one removes all.
    async fn teardown(
        &mut self,
        streams: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        for stream in streams.iter().flat_map(|catalog| &catalog.streams) {
            let path = self.path(&stream.stream.name)?;
            if path.exists() {
                fs::remove_file(&path).map_err(|error| failed(&path, error))?;
            }
        }
        out.log(Level::Info, "removed the files of these streams").await
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits::default()
    }

    // A stream that is reported here as failed is told, and the others go on.
    async fn begin(&mut self, plans: &[StreamPlan]) -> Result<Loaded, Error> {
        let mut unwritable = Loaded::default();
        for plan in plans {
            if let Err(error) = self.path(plan.name()).and_then(|path| read(&path)) {
                unwritable.streams.insert(plan.name().to_owned(), Err(error));
            }
        }
        Ok(unwritable)
    }

    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error> {
        let mut loaded = Loaded::default();
        for (name, stream) in &batch.streams {
            loaded.streams.insert(name.clone(), self.load_stream(name, stream));
        }
        Ok(loaded)
    }
}

impl Shelf {
    // Names come from outside: one that would leave the folder is refused.
    fn path(&self, stream: &str) -> Result<PathBuf, Error> {
        if stream.contains(['/', '\0']) || stream.starts_with('.') {
            return Err(Error::config(format!("stream `{stream}` has no name for a file")));
        }
        Ok(self.folder.join(format!("{stream}.json")))
    }

    fn load_stream(&self, name: &str, batch: &StreamBatch) -> Result<WrittenCounts, Error> {
        let path = self.path(name)?;
        let mut book = read(&path)?;
        let field = batch.plan.stream().soft_delete_field.as_deref().unwrap_or("deleted");
        let mut counts = WrittenCounts::default();
        for (key, rows) in &batch.keys {
            let key = json!(key).to_string();
            let stored = book.rows.get(&key).map(|row| Stored {
                stamp: row.stamp,
                content: content_of(row.hash, row.stamp, row.deleted),
                deleted: row.deleted,
            });
            let versions: Vec<_> = rows.iter().map(|row| row.version).collect();
            let resolution = resolve(stored, &versions);
            let old = book.rows.get(&key).map(|row| row.document.clone()).unwrap_or_default();
            let (now, document) = carry_out(resolution.action, old, rows, field);
            if let Some(now) = now {
                let Stored { stamp, deleted, .. } = now;
                let hash = row_hash(&now);
                book.rows.insert(key, Kept { stamp, hash, deleted, document });
            }
            counts.add(&resolution.counts);
        }
        save(&path, &book)?;
        Ok(counts)
    }
}

/// The row afterwards, or nothing where it stays, and its document.
fn carry_out(action: Action, old: String, rows: &[Row], field: &str) -> (Option<Stored>, String) {
    match action {
        Action::Keep => (None, old),
        Action::Restamp(now) => (Some(now), old),
        Action::Mark(now) => (Some(now), marked_document(&old, field)),
        Action::Write { index, marked, row } => {
            let new = rows.get(index).map(|row| row.document.clone()).unwrap_or_default();
            let document = if marked { marked_document(&new, field) } else { new };
            (Some(row), document)
        }
    }
}

fn read(path: &Path) -> Result<Book, Error> {
    let text = fs::read(path).map_err(|error| failed(path, error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::internal(format!("reading `{}`", path.display())).caused_by(error))
}

/// A new file beside the old one, on the disk before it takes its name, and the name on the disk too.
fn save(path: &Path, book: &Book) -> Result<(), Error> {
    let text = serde_json::to_vec(book)
        .map_err(|error| Error::internal("writing a file").caused_by(error))?;
    let new = path.with_extension("new");
    let saved = File::create(&new)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path))
        .and_then(|()| File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all());
    saved.map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!("using `{}`", path.display()))
        .caused_by(error)
        .hint("make the folder, and run `destination-shelf setup` with the same catalog")
}

#[expect(clippy::disallowed_methods, reason = "main reads the environment, once")]
fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    connector::run_destination::<Shelf>(std::env::args_os(), &environment)
}
