//! How changes reach the copy: by one call after the other, or by calls that follow the account.

use std::time::Duration;

use fastrand::Rng;
use tokio::net::TcpListener;

/// What the calls of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They end by themselves.
    Calls,
    /// They follow, and poll events.
    Polling,
    /// They follow, and events are brought to them; beside it they poll or not.
    Webhooks { polls: bool },
    /// They follow, and events come through the WebSocket of the Stripe CLI.
    Socket,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [
        Self::Calls,
        Self::Polling,
        Self::Webhooks { polls: true },
        Self::Webhooks { polls: false },
        Self::Socket,
    ];

    /// What it is called in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calls => "by calls that end",
            Self::Polling => "followed by polling",
            Self::Webhooks { polls: true } => "followed by webhooks and polling",
            Self::Webhooks { polls: false } => "followed by webhooks alone",
            Self::Socket => "followed through the WebSocket",
        }
    }

    /// Half of the seeds make calls that end.
    pub(crate) fn of(random: &mut Rng) -> Self {
        if random.bool() { Self::Calls } else { Self::ALL[random.usize(1..Self::ALL.len())] }
    }

    pub(crate) fn follows(self) -> bool {
        self != Self::Calls
    }

    pub(crate) const fn has_webhooks(self) -> bool {
        matches!(self, Self::Webhooks { .. })
    }

    /// How the source is set; webhooks come to this port.
    pub(crate) fn settings(self, port: u16) -> Vec<String> {
        let settings = match self {
            Self::Calls | Self::Polling => Vec::new(),
            Self::Webhooks { polls } => vec![
                ("webhook_url", format!("http://127.0.0.1:{port}/webhook")),
                ("webhook_port", port.to_string()),
                ("poll_events", polls.to_string()),
            ],
            Self::Socket => vec![("websocket", true.to_string())],
        };
        settings.into_iter().flat_map(|(key, value)| [format!("--source.{key}"), value]).collect()
    }
}

/// A port that nobody has now. It is registered with Stripe, so that every call needs the same.
pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// How long a call that follows goes on if nothing ends it.
pub(crate) fn patience(random: &mut Rng) -> Duration {
    Duration::from_millis(random.u64(1_000..6_000))
}

/// Webhooks that nobody has confirmed, of the local Stripe's counts: it tries again, or has given
/// up because nobody listened for too long.
pub(crate) fn unconfirmed(counts: &str) -> u64 {
    let counts: serde_json::Value = serde_json::from_str(counts).unwrap();
    ["waiting", "given_up"].map(|name| counts[name].as_u64().unwrap()).iter().sum()
}
