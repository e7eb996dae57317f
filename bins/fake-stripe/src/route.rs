//! What an address stands for.

use crate::account::ACCOUNT_ID;
use crate::objects::{Stream, World};

/// What is asked for.
pub(crate) enum Route<'a> {
    /// `/v1/account`
    Account,
    /// A page of a stream's list.
    List(&'a Stream),
    /// One object of a stream.
    One(&'a Stream, &'a str),
    /// `/__stats`
    Stats,
    /// `/__oracle`: how many objects of each stream a whole copy holds.
    OracleCounts,
    /// `/__oracle/<stream>`: those objects.
    Oracle(&'a Stream),
    /// Nothing we have.
    Unknown,
}

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str, world: &'a World) -> Self {
        match path {
            "/v1/account" => return Self::Account,
            "/__stats" => return Self::Stats,
            "/__oracle" => return Self::OracleCounts,
            _ => {}
        }
        if let Some(name) = path.strip_prefix("/__oracle/") {
            return world.stream(name).map_or(Self::Unknown, Self::Oracle);
        }
        if path.strip_prefix("/v1/accounts/") == Some(ACCOUNT_ID) {
            return Self::Account;
        }
        let at = |path| world.streams().iter().find(|stream| stream.facts.path == path);
        if let Some(stream) = at(path) {
            return Self::List(stream);
        }
        let Some((parent, id)) = path.rsplit_once('/') else { return Self::Unknown };
        match at(parent).filter(|stream| stream.facts.retrieve_path.is_some()) {
            Some(stream) => Self::One(stream, id),
            None => Self::Unknown,
        }
    }

    /// The stream that it belongs to.
    pub(crate) fn stream(&self) -> Option<&'a Stream> {
        match self {
            Self::List(stream) | Self::One(stream, _) | Self::Oracle(stream) => Some(stream),
            Self::Account | Self::Stats | Self::OracleCounts | Self::Unknown => None,
        }
    }

    /// Whether it is about the fake and not a part of Stripe.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Stats | Self::OracleCounts | Self::Oracle(_))
    }
}
