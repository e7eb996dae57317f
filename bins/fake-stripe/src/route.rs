//! What an address stands for.

use stripe_api::StreamFacts;

use crate::account::ACCOUNT_ID;
use crate::objects::{ChildList, Stream, World};

/// What is asked for.
pub(crate) enum Route<'a> {
    /// `/v1/account`
    Account,
    /// A page of a stream's list.
    List(&'a Stream),
    /// One object of a stream.
    One(&'a Stream, &'a str),
    /// A list under a parent, and the parent's id if it stands in the path.
    Children(&'a ChildList, &'a str),
    /// `POST /v1/stripecli/sessions`
    CliSession,
    /// About the fake, and no part of Stripe.
    Ours(Ours<'a>),
    /// Nothing we have.
    Unknown,
}

/// What the fake tells of itself, and takes.
pub(crate) enum Ours<'a> {
    /// `/__stats`
    Stats,
    /// `/__oracle`: how many objects of each stream a whole copy holds.
    OracleCounts,
    /// `/__oracle/<stream>`: those objects.
    Oracle(&'a Stream),
    /// `/__oracle/<name>` of lists under a parent.
    ChildOracle(&'a str),
    /// `POST /__mutate`
    Mutate,
    /// `POST /__clock`
    Clock,
    /// `/__webhooks`: how many webhooks are waiting, delivered, failed.
    Webhooks,
}

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str, world: &'a World) -> Self {
        match path {
            "/v1/account" => return Self::Account,
            "/__stats" => return Self::Ours(Ours::Stats),
            "/__oracle" => return Self::Ours(Ours::OracleCounts),
            "/__mutate" => return Self::Ours(Ours::Mutate),
            "/__clock" => return Self::Ours(Ours::Clock),
            "/__webhooks" => return Self::Ours(Ours::Webhooks),
            "/v1/stripecli/sessions" => return Self::CliSession,
            _ => {}
        }
        if let Some(name) = path.strip_prefix("/__oracle/") {
            return oracle(name, world);
        }
        if path.strip_prefix("/v1/accounts/") == Some(ACCOUNT_ID) {
            return Self::Account;
        }
        let at = |path| world.all().find(|stream| stream.facts.path == path);
        if let Some(stream) = at(path) {
            return Self::List(stream);
        }
        let mut children = world.child_lists().iter();
        if let Some((list, id)) = children.find_map(|list| Some((list, list.parent_id(path)?))) {
            return Self::Children(list, id);
        }
        let Some((parent, id)) = path.rsplit_once('/') else { return Self::Unknown };
        match at(parent).filter(|stream| stream.facts.retrieve_path.is_some()) {
            Some(stream) => Self::One(stream, id),
            None => Self::Unknown,
        }
    }

    /// The stream or list under a parent that it belongs to: its name and what its objects are.
    pub(crate) fn subject(&self) -> Option<(&'a str, &'a str)> {
        let of = |facts: &'a StreamFacts| Some((facts.name.as_str(), facts.object.as_str()));
        match self {
            Self::List(stream) | Self::One(stream, _) => of(stream.facts),
            Self::Children(list, _) => Some((list.name, &list.facts.resource)),
            Self::Account => Some(("account", "account")),
            Self::Ours(_) | Self::CliSession | Self::Unknown => None,
        }
    }

    /// The list whose rate it counts against.
    pub(crate) fn list_path(&self) -> Option<&'a str> {
        match self {
            Self::List(stream) | Self::One(stream, _) => Some(&stream.facts.path),
            Self::Children(list, _) => Some(&list.facts.path),
            Self::Account | Self::Ours(_) | Self::CliSession | Self::Unknown => None,
        }
    }

    /// The stream that is meant, and the object in it if one is.
    pub(crate) fn object(&self) -> Option<(&'a Stream, Option<&'a str>)> {
        if let Self::One(stream, id) = self {
            return Some((stream, Some(id)));
        }
        if let Self::List(stream) = self { Some((stream, None)) } else { None }
    }

    /// What stands for all requests of its kind, where that is not the path itself.
    pub(crate) fn endpoint(&self) -> Option<String> {
        match self {
            Self::One(stream, _) => Some(format!("{}/{{id}}", stream.facts.path)),
            Self::Children(list, _) => Some(list.facts.path.clone()),
            Self::Account | Self::List(_) | Self::Ours(_) | Self::CliSession | Self::Unknown => {
                None
            }
        }
    }

    /// Whether it is about the fake and not a part of Stripe.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }
}

fn oracle<'a>(name: &'a str, world: &'a World) -> Route<'a> {
    if let Some(stream) = world.stream(name) {
        return Route::Ours(Ours::Oracle(stream));
    }
    match world.child_lists().iter().any(|list| list.name == name) {
        true => Route::Ours(Ours::ChildOracle(name)),
        false => Route::Unknown,
    }
}
