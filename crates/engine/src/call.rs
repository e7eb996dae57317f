//! One question to a connector: a verb, its answer, its end.

use std::time::Duration;

use protocol::{
    Catalog, Class, ConfiguredCatalog, ConnectionStatus, DecodeError, Kind, Line, Message, Spec,
    Status, excerpt,
};
use tokio::time::timeout;

use crate::child::{Child, Document, End, Launcher};
use crate::config::Config;
use crate::failure::{Failure, Side, chain};
use crate::gate::class_of;
use crate::outcome::STALLED;
use crate::resolve::Program;

/// A connector that can be asked.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The program.
    pub program: Program,
    /// Its side of the pipe.
    pub side: Side,
}

impl Connector {
    /// Asks for the connector's description.
    ///
    /// # Errors
    ///
    /// When it does not answer with one.
    pub async fn spec(&self, launcher: &Launcher) -> Result<Spec, Failure> {
        let answer = self.ask(launcher, "spec", &[]).await?;
        let spec = answer
            .into_iter()
            .find_map(|message| if let Message::Spec(spec) = message { Some(spec) } else { None });
        spec.ok_or_else(|| self.silent("spec"))
    }

    /// Asks whether the connection works and, with a catalog, what of each of its streams.
    ///
    /// # Errors
    ///
    /// When it does not, or the connector does not say.
    pub async fn check(
        &self,
        launcher: &Launcher,
        config: &Config,
        catalog: Option<&ConfiguredCatalog>,
    ) -> Result<(ConnectionStatus, Vec<Message>), Failure> {
        let mut documents = vec![self.document("--config", config)?];
        if let Some(catalog) = catalog {
            documents.push(self.document("--catalog", catalog)?);
        }
        let answer = self.ask(launcher, "check", &documents).await?;
        let status = answer.iter().find_map(|message| {
            if let Message::ConnectionStatus(status) = message {
                Some(status.clone())
            } else {
                None
            }
        });
        status.map(|status| (status, answer)).ok_or_else(|| self.silent("connection_status"))
    }

    /// Asks a source for its streams.
    ///
    /// # Errors
    ///
    /// When it does not answer with a catalog.
    pub async fn discover(
        &self,
        launcher: &Launcher,
        config: &Config,
    ) -> Result<(Catalog, Vec<Message>), Failure> {
        let answer = self.ask(launcher, "discover", &[self.document("--config", config)?]).await?;
        let catalog = answer.iter().find_map(|message| {
            if let Message::Catalog(catalog) = message { Some(catalog.clone()) } else { None }
        });
        catalog.map(|catalog| (catalog, answer)).ok_or_else(|| self.silent("catalog"))
    }

    /// Has a connector make ready what the streams need. A connector that does not know the verb
    /// has nothing to do.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn setup(
        &self,
        launcher: &Launcher,
        config: &Config,
        catalog: &ConfiguredCatalog,
    ) -> Result<Vec<Message>, Failure> {
        let documents = [self.document("--config", config)?, self.document("--catalog", catalog)?];
        self.ask(launcher, "setup", &documents).await
    }

    /// Asks a destination what its setup would do; `None` when its spec does not say that it knows:
    /// a program that takes no notice of a flag would do it.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn plan_setup(
        &self,
        launcher: &Launcher,
        (spec, config): (&Spec, &Config),
        catalog: &ConfiguredCatalog,
    ) -> Result<Option<Vec<String>>, Failure> {
        if !spec.setup_dry_run {
            return Ok(None);
        }
        let documents = [self.document("--config", config)?, self.document("--catalog", catalog)?];
        let answer = self.ask(launcher, "setup --dry-run", &documents).await?;
        let said = |message| if let Message::Log(log) = message { Some(log.message) } else { None };
        Ok(Some(answer.into_iter().filter_map(said).collect()))
    }

    /// Has a connector remove what its setup made. A connector that does not know the verb has
    /// nothing to do.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn teardown(
        &self,
        launcher: &Launcher,
        config: &Config,
    ) -> Result<Vec<Message>, Failure> {
        self.ask(launcher, "teardown", &[self.document("--config", config)?]).await
    }

    /// Asks a destination for the records that it could not store or, with a catalog, has it try
    /// them again. `None` when it does not know the verb.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn dead_letters(
        &self,
        launcher: &Launcher,
        config: &Config,
        catalog: Option<&ConfiguredCatalog>,
        stream: Option<&str>,
    ) -> Result<Option<Vec<Message>>, Failure> {
        let mut documents = vec![self.document("--config", config)?];
        let verb = match catalog {
            None => "dead-letters list",
            Some(catalog) => {
                documents.push(self.document("--catalog", catalog)?);
                "dead-letters retry"
            }
        };
        let verb = stream.map_or_else(|| verb.to_owned(), |name| format!("{verb} --stream={name}"));
        let answer = self.answer(launcher, &verb, &documents).await?;
        if is_unknown_verb(&answer.end) { Ok(None) } else { self.judged(answer).map(Some) }
    }

    /// A document for this connector.
    pub(crate) fn document(
        &self,
        flag: &'static str,
        value: &impl serde::Serialize,
    ) -> Result<Document, Failure> {
        Document::new(flag, value).map_err(|error| {
            Failure::new(
                Side::Engine,
                Class::Internal,
                "encode",
                format!("writing `{flag}`: {error}"),
            )
        })
    }

    /// Starts the connector with a verb, for more than one question.
    pub(crate) fn start(
        &self,
        launcher: &Launcher,
        verb: &str,
        documents: &[Document],
        piped: bool,
    ) -> Result<Child, Failure> {
        launcher
            .start(&self.program, verb, documents, piped)
            .map_err(|error| self.failure(Class::Config, "not_started", error))
    }

    async fn ask(
        &self,
        launcher: &Launcher,
        verb: &str,
        documents: &[Document],
    ) -> Result<Vec<Message>, Failure> {
        let answer = self.answer(launcher, verb, documents).await?;
        if ["setup", "teardown"].contains(&verb) && is_unknown_verb(&answer.end) {
            return Ok(Vec::new());
        }
        self.judged(answer)
    }

    async fn answer(
        &self,
        launcher: &Launcher,
        verb: &str,
        documents: &[Document],
    ) -> Result<Answer, Failure> {
        let mut child = self.start(launcher, verb, documents, false)?;
        let heard = match launcher.patience {
            None => self.listen(&mut child).await,
            Some(patience) => match timeout(patience, self.listen(&mut child)).await {
                Ok(heard) => heard,
                Err(_elapsed) => Err(self.silence(&mut child, patience)),
            },
        };
        let end = child
            .wait()
            .await
            .map_err(|error| self.failure(Class::Internal, "not_waited_for", error))?;
        Ok(Answer { heard, end })
    }

    fn judged(&self, answer: Answer) -> Result<Vec<Message>, Failure> {
        let Answer { heard, end } = answer;
        let messages = heard?;
        if let Some(failed) = messages.iter().find_map(failed_connection) {
            return Err(self.refused(failed));
        }
        if !end.is_clean() {
            return Err(self.failure(Class::Internal, "ended_badly", end));
        }
        Ok(messages)
    }

    /// Ends a child that does not answer.
    fn silence(&self, child: &mut Child, patience: Duration) -> Failure {
        child.kill();
        let message = format!(
            "{} did not answer in {} s; run again, or raise `--stall-timeout`",
            child.name(),
            patience.as_secs(),
        );
        self.failure(Class::Internal, STALLED, message)
    }

    async fn listen(&self, child: &mut Child) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::new();
        let Some(mut stdout) = child.take_stdout() else { return Ok(messages) };
        let name = child.name().to_owned();
        let garbled =
            |why: String| self.failure(Class::Internal, "garbled", format!("{name}: {why}"));
        while let Some(raw) = stdout.next().await.map_err(|error| garbled(chain(&error)))? {
            match answered(raw) {
                Ok(message) => messages.extend(message),
                Err(error) => {
                    let head = excerpt(raw);
                    let number = stdout.line_number();
                    return Err(garbled(format!("line {number}: {error}: `{head}`")));
                }
            }
        }
        Ok(messages)
    }

    /// A connection that failed, in the connector's own words.
    pub(crate) fn refused(&self, status: &ConnectionStatus) -> Failure {
        let message = status.message.clone().unwrap_or_else(|| "the connection failed".to_owned());
        let message = format!("{}: {message}", self.program.name);
        self.failure(class_of(status), "connection_failed", message)
    }

    /// A failure on this connector's side.
    pub(crate) fn failure(
        &self,
        class: Class,
        code: &'static str,
        message: impl std::fmt::Display,
    ) -> Failure {
        Failure::new(self.side, class, code, message)
    }

    fn silent(&self, what: &str) -> Failure {
        let name = &self.program.name;
        self.failure(
            Class::Internal,
            "no_answer",
            format!("{name} ended without a `{what}` message"),
        )
    }
}

/// What came of a question: messages as far as they were heard, and the child's end.
struct Answer {
    heard: Result<Vec<Message>, Failure>,
    end: End,
}

/// The message in a line, unless it is of no use as an answer.
fn answered(raw: &[u8]) -> Result<Option<Message>, DecodeError> {
    let line = Line::parse(raw)?;
    if matches!(line.kind, Kind::Record | Kind::SourceInput | Kind::Unknown) {
        return Ok(None);
    }
    line.message().map(Some)
}

fn failed_connection(message: &Message) -> Option<&ConnectionStatus> {
    let Message::ConnectionStatus(status) = message else { return None };
    (status.status == Status::Failed).then_some(status)
}

/// Whether a connector of other people says that it does not know the verb.
fn is_unknown_verb(end: &End) -> bool {
    let words = end.last_words.join("\n").to_lowercase();
    !end.status.success()
        && (words.contains("unknown command") || words.contains("unrecognized subcommand"))
}
