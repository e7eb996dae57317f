//! Everything that brings events while a read goes on, opened and closed as one.

use std::sync::Arc;
use std::time::Duration;

use connector::{Emitter, Error, Input, Stop};
use protocol::Level;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::counts::Counts;
use super::delivery::{Deliveries, Delivery, channel};
use super::door::{Bounds, Door};
use super::listener;
use super::settings::LiveSettings;
use super::socket::Socket;
use super::stdin::{Confirmed, Feed, hear};
use crate::client::Client;

/// How long the last answers may take once we close.
const FAREWELL: Duration = Duration::from_secs(2);

/// What brings events.
///
/// The read loop opens it before the backfill. It polls `deliveries`, `confirmed` and the client's notices in one `select!`, as `Some(_) = …recv()` and
/// `Ok(()) = ….changed()`, so that one that has ended is left out:
/// each delivery is applied between pages and answered once (see [`Delivery`]); when `deliveries`
/// ends, nothing can bring any more (with `input: stdin` that is the end of the read). At the end it
/// drops what it has not answered, and calls [`Live::close`].
pub(crate) struct Live {
    /// Events that were brought.
    pub(crate) deliveries: Deliveries,
    /// The latest state of the source as a whole that came back on stdin as confirmed. A confirmed
    /// state speaks for all that were emitted before it.
    pub(crate) confirmed: watch::Receiver<Confirmed>,
    counts: Arc<Counts>,
    /// Those of the socket: what happens while it is not connected does not come later, so they say
    /// nothing of how rarely to poll.
    socket_counts: Arc<Counts>,
    /// Those that bring: they end by themselves once nothing more can be brought.
    tasks: JoinSet<Result<(), Error>>,
    /// Who listens for confirmed states: until this is dropped.
    hearing: JoinSet<()>,
}

impl Live {
    /// Opens everything that the settings ask for, and says where it listens: from now on events may
    /// come, until `stop`. Without `follow` only stdin is listened to.
    ///
    /// # Errors
    ///
    /// When an address cannot be had, or a secret is missing.
    pub(crate) async fn open(
        settings: &LiveSettings,
        client: &Arc<Client>,
        (follow, input): (bool, Input),
        stop: &Stop,
        out: &mut Emitter,
    ) -> Result<Self, Error> {
        let (sender, deliveries) = channel();
        let (confirm, confirmed) = watch::channel(None);
        let (counts, socket_counts) = (Arc::default(), Arc::default());
        let (tasks, hearing) = (JoinSet::new(), JoinSet::new());
        let mut live = Self { deliveries, confirmed, counts, socket_counts, tasks, hearing };
        if let Some(port) = settings.port.filter(|_| follow) {
            let door = live.door(settings, client, sender.clone(), stop)?;
            let listener = listener::bind(settings.host, port).await?;
            let address = listener.local_addr();
            let address = address.map_err(|error| Error::internal("listening").caused_by(error))?;
            let path = &door.path;
            let text = format!("listening for webhooks: POST http://{address}{path}");
            live.tasks.spawn(async move {
                listener::serve(listener, Arc::new(door)).await;
                Ok(())
            });
            out.log(Level::Info, text).await?;
        }
        if settings.websocket && follow {
            let (client, deliveries) = (Arc::clone(client), sender.clone());
            let counts = Arc::clone(&live.socket_counts);
            let socket = Socket { client, deliveries, counts };
            live.tasks.spawn(socket.run(stop.clone()));
        }
        if settings.from_stdin {
            let (secrets, counts) = (settings.secrets.clone(), Arc::clone(&live.counts));
            let (deliveries, client) = (Some(sender), Arc::clone(client));
            let feed = Feed { input, secrets, deliveries, confirmed: confirm, counts, client };
            live.tasks.spawn(feed.run(stop.clone()));
        } else if !input.is_terminal() {
            live.hearing.spawn(hear(input, confirm));
        }
        Ok(live)
    }

    /// Whether Stripe's webhooks reach us, as far as the last one says: polling may then be rare.
    pub(crate) fn has_healthy_webhook(&self) -> bool {
        self.counts.is_healthy()
    }

    /// Ends everything: who waits without an answer hears that it comes again. Says what came.
    ///
    /// # Errors
    ///
    /// When stdin ended within a line, or a line on it was no JSON: what came before was brought.
    pub(crate) async fn close(self, out: &mut Emitter) -> Result<(), Error> {
        let Self { deliveries, counts, socket_counts, mut tasks, .. } = self;
        drop(deliveries);
        let ended = async {
            let mut ended = Ok(());
            while let Some(task) = tasks.join_next().await {
                let task = task.map_err(|error| Error::internal("taking events").caused_by(error));
                ended = ended.and(task.and_then(|ended| ended));
            }
            ended
        };
        let ended = timeout(FAREWELL, ended).await.unwrap_or(Ok(()));
        let brought = counts.sentence("events that were brought");
        let by_socket = socket_counts.sentence("events through the WebSocket");
        for sentence in [brought, by_socket].into_iter().flatten() {
            out.log(Level::Info, sentence).await?;
        }
        ended
    }

    fn door(
        &self,
        settings: &LiveSettings,
        client: &Arc<Client>,
        sender: mpsc::Sender<Delivery>,
        stop: &Stop,
    ) -> Result<Door, Error> {
        if settings.secrets.is_empty() {
            return Err(Error::config("listening for webhooks: `webhook_secret` is missing").hint(
                "give the endpoint's signing secret (whsec_…); `setup` with `webhook_url` makes an endpoint and gives it back",
            ));
        }
        let name = (settings.path().to_owned(), settings.secrets.clone());
        let (clock, told) = (Arc::<Client>::clone(client), Arc::clone(client));
        let tell = Box::new(move |word| told.tell(word));
        let to = (sender, Arc::clone(&self.counts));
        Ok(Door::new(name, (clock, tell), Bounds::default(), to, stop.clone()))
    }
}
