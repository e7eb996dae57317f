//! The catalogue: one version of Stripe's API as a list of streams.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::field::{self, Field};

static EMBEDDED_TEXT: &str = include_str!("../data/2026-01-28.clover.json");

static EMBEDDED: LazyLock<Catalogue> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    Catalogue::from_json(EMBEDDED_TEXT).expect("the embedded catalogue is readable")
});

/// Everything we know of one version of Stripe's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The version the facts hold for, as sent in `Stripe-Version`; `info.version` of the file.
    pub api_version: String,
    /// The v1 lists that need no parent, by name.
    pub streams: Vec<StreamFacts>,
    /// The v2 lists that need no parent, by name. They page by token, not by cursor.
    #[serde(default)]
    pub v2_streams: Vec<StreamFacts>,
    /// The lists that exist once for each parent object, by name and path.
    #[serde(default)]
    pub parent_keyed: Vec<ParentKeyed>,
    /// The streams whose objects stand whole in a list inside the objects of another, by name.
    #[serde(default)]
    pub children: Vec<ChildStream>,
    /// The streams that are read list by list, one for each object of another stream, by name.
    #[serde(default)]
    pub keyed: Vec<KeyedStream>,
}

impl Catalogue {
    /// The catalogue that is part of the program (API version 2026-01-28.clover). It is read at
    /// the first call, in about a millisecond, and then kept.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// The text that [`Catalogue::embedded`] is read from. It differs wherever what this crate makes
    /// of an OpenAPI file has changed, so it tells results of other versions apart.
    pub fn embedded_json() -> &'static str {
        EMBEDDED_TEXT
    }

    /// Reads a catalogue that [`Catalogue::to_json`] wrote. Fails on anything else.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The catalogue as text, the same bytes for the same facts, one fact a line.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        crate::text::pretty(self)
    }

    /// The v1 stream of that name, if there is one.
    pub fn stream(&self, name: &str) -> Option<&StreamFacts> {
        self.streams.iter().find(|stream| stream.name == name)
    }

    /// The stream of that name among those that are lists without a parent, of v1 or v2.
    pub fn list(&self, name: &str) -> Option<&StreamFacts> {
        self.stream(name).or_else(|| self.v2_streams.iter().find(|stream| stream.name == name))
    }

    /// The child stream of that name, if there is one.
    pub fn child(&self, name: &str) -> Option<&ChildStream> {
        self.children.iter().find(|child| child.facts.name == name)
    }

    /// The stream of that name that is read parent by parent, if there is one.
    pub fn keyed(&self, name: &str) -> Option<&KeyedStream> {
        self.keyed.iter().find(|keyed| keyed.facts.name == name)
    }

    /// The facts of a stream that is asked for, in one list or parent by parent.
    pub fn facts(&self, name: &str) -> Option<&StreamFacts> {
        self.list(name).or_else(|| self.keyed(name).map(|keyed| &keyed.facts))
    }
}

/// The facts of one stream: a resource and the list that gives all of its objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamFacts {
    /// The stream's name, `customers`.
    pub name: String,
    /// The resource, `x-resourceId` of the file; for v2 the value of `object`.
    pub resource: String,
    /// The value of the objects' `object` property.
    pub object: String,
    /// The path of the list, `/v1/customers`.
    pub path: String,
    /// Whether it is a list of API v2: paged by token, not by cursor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub v2: bool,
    /// The paging parameters that the list accepts.
    #[serde(default)]
    pub accepts: ListParams,
    /// The other query parameters that the list accepts, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// The property that lists are sorted by and `created` filters on; none if the objects
    /// carry no such time. Unix seconds in v1, an RFC 3339 text in v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort_field: Option<String>,
    /// Parameters to send with every list request, because without them Stripe leaves objects
    /// out: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed_params: Vec<(String, String)>,
    /// How a copy learns of changes.
    pub freshness: Freshness,
    /// Properties that change from one answer to the next without the object changing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<String>,
    /// The path that answers one object, with `{id}` in the place of its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieve_path: Option<String>,
    /// The event types that carry an object of this stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// Properties that are themselves v1 lists, as dotted paths: `lines`,
    /// `computed.upfront.line_items`. Not looked for inside arrays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested_lists: Vec<String>,
    /// The objects' properties, by name.
    #[serde(with = "field::as_map")]
    pub fields: Vec<Field>,
}

/// The paging parameters that a list accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListParams {
    /// `created`, as a time or with `[gt]`, `[gte]`, `[lt]`, `[lte]`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// `limit`, 1 to 100.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub limit: bool,
    /// `starting_after`, the id of the object before the page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub starting_after: bool,
    /// `ending_before`, the id of the object after the page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ending_before: bool,
}

/// How a copy of a stream learns that objects changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Stripe tells every change by an event.
    Events,
    /// No event tells every change: only listing again does.
    Relist,
    /// Objects do not change once they exist.
    Immutable,
}

impl StreamFacts {
    /// Whether the list can be asked for a span of time, in unix seconds.
    pub fn takes_time(&self) -> bool {
        self.accepts.created && !self.v2
    }

    /// Whether the list goes on after a page: by cursor in v1, by token in v2.
    pub fn has_pages(&self) -> bool {
        self.v2 || self.accepts.starting_after
    }
}

impl Freshness {
    /// The word for it on the wire: `events`, `relist` or `immutable`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Relist => "relist",
            Self::Immutable => "immutable",
        }
    }
}

/// A stream whose objects stand in a list inside the objects of another stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStream {
    /// The name of the stream whose objects hold them.
    pub parent: String,
    /// The property of the parent that is the list.
    pub list: String,
    /// The property of the child that names its parent.
    pub key: String,
    /// The facts of the child; its path has parameters.
    pub facts: StreamFacts,
}

/// A stream that is read parent by parent: its list exists once for each object of another stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedStream {
    /// The name of the stream whose objects are the parents; a list of v1 or v2.
    pub parent: String,
    /// The property with which an object names its parent; none if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What a request has to name, in the path or in the query, and the property of the parent that
    /// says it. A parent that has nothing there has no such list.
    pub params: Vec<(String, String)>,
    /// The property of the parent that shows the beginning of the list, if it is not left out there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// How a parent says that its list is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none_if: Option<NoneIf>,
    /// Whether ids repeat from parent to parent, so that `key` is a part of the primary key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ids_repeat: bool,
    /// The facts of the objects; the path of the list may have a parameter in braces.
    pub facts: StreamFacts,
}

/// What a parent says when it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoneIf {
    /// The property of the parent, as a dotted path.
    pub field: String,
    /// The value with which it says so, as JSON.
    pub says: String,
}

/// A list that exists once for each object of another stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentKeyed {
    /// The name of the stream that its objects belong to.
    pub name: String,
    /// The resource of its objects, `x-resourceId` of the file.
    pub resource: String,
    /// The path of the list; parameters in it stand in braces.
    pub path: String,
    /// What a request must name: parameters of the path first, then of the query.
    pub required_params: Vec<String>,
}
