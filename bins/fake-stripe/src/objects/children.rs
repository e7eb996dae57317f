//! Lists that exist once for each object of a stream: the whole of a list that the object shows,
//! the objects of another stream that name it, or objects made up for it alone.

use serde_json::Value;
use stripe_api::{Catalogue, KeyedStream, ParentKeyed, Shape, StreamFacts};

use super::compose::{Root, Setting, Variant, compose, list_url};
use super::element;
use super::ids::{IdForm, text_number};
use super::stream::View;
use super::template::Subject;
use super::world::World;
use crate::mix::mix;

/// The most that are made up for one parent, and how many numbers each parent has for them.
const NUMBERS_A_PARENT: usize = 32;

/// One parent in this many has more of them than a page of ten.
const LONG_EVERY: usize = 12;

/// In how many ways they look.
const VARIANTS: u64 = 6;

/// A list under a parent.
pub(crate) struct ChildList {
    pub(crate) facts: &'static ParentKeyed,
    /// What its stream is called: as its resource is, unless several lists have such objects.
    pub(crate) name: &'static str,
    /// The stream of its parents.
    pub(crate) parent: &'static StreamFacts,
    keyed: Option<&'static KeyedStream>,
    source: Source,
}

/// Where the elements come from.
enum Source {
    /// The parent shows the first ten of them under this name.
    Inside(String),
    /// The objects of the stream of the same name that name the parent here.
    Of(&'static str),
    /// Nowhere else.
    Made { form: IdForm, names: Vec<&'static str>, variants: Vec<Variant>, seed: u64 },
}

impl ChildList {
    /// The list that is meant, if its parents are listed.
    pub(crate) fn create(
        facts: &'static ParentKeyed,
        catalogue: &'static Catalogue,
        setting: &Setting<'_>,
    ) -> Option<Self> {
        let parent = parent(facts, catalogue)?;
        let source = inside(facts, parent, setting)
            .or_else(|| of(facts, catalogue, setting))
            .or_else(|| made(facts, parent, setting))?;
        let keyed = keyed(facts, parent, catalogue);
        let name = keyed.map_or(&facts.name, |keyed| &keyed.facts.name);
        Some(Self { facts, name, parent, keyed, source })
    }

    /// The parameter that names the parent, and whether it is a part of the path.
    pub(crate) fn parameter(&self) -> (&'static str, bool) {
        let name = self.facts.required_params.first().map_or("", String::as_str);
        (name, self.facts.path.contains('{'))
    }

    /// What a request has to name of the parent beside its id, where it is no other object's: the
    /// parameter and the parent's property.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let params = self.keyed.map_or(&[][..], |keyed| &keyed.params);
        params.iter().skip(1).map(|(name, property)| (name.as_str(), property.as_str()))
    }

    /// The parent's id in a path of this list; an empty one where the query names the parent.
    pub(crate) fn parent_id<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, after)) = around_parameter(&self.facts.path) else {
            return (path == self.facts.path).then_some("");
        };
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }

    /// The elements under the parent at a position, in the order of the list.
    pub(crate) fn elements(&self, world: &World, parent: &View<'_>, position: usize) -> Vec<Value> {
        if self.keyed.is_some_and(|keyed| has_none(keyed, &element::read(parent.object(position))))
        {
            return Vec::new();
        }
        match &self.source {
            Source::Inside(name) => {
                let mut whole = parent.whole(position);
                let data = whole.get_mut(name).and_then(|list| list.get_mut("data"));
                match data.map(Value::take) {
                    Some(Value::Array(elements)) => elements,
                    _ => Vec::new(),
                }
            }
            Source::Of(property) => self.naming(property, world, parent, position),
            Source::Made { form, names, variants, seed } => {
                let numbers = numbers(parent.number(position));
                let created = parent.created(position);
                let elements = numbers.rev().filter_map(|number| {
                    let variant = variants.get(number % variants.len().max(1))?;
                    let subject =
                        Subject { form, number: u32::try_from(number).ok()?, created, seed: *seed };
                    let element = self.element(variant, &subject, parent.object(position));
                    Some(renamed(element, names.get(number % NUMBERS_A_PARENT)))
                });
                elements.collect()
            }
        }
    }

    fn naming(&self, property: &str, world: &World, parent: &View<'_>, at: usize) -> Vec<Value> {
        let id = element::text_property(parent.object(at), "id");
        let Some(children) = world.stream(&self.facts.name) else { return Vec::new() };
        let view = children.at(parent.moment());
        let names = |position: &usize| {
            view.is_there(*position)
                && view.is_shown_by_default(*position)
                && element::text_property(view.object(*position), property) == id
        };
        (0..view.len()).filter(names).map(|position| element::read(view.object(position))).collect()
    }

    /// A made-up element that names its parent wherever it names one of that kind.
    fn element(&self, variant: &Variant, subject: &Subject<'_>, parent: &[u8]) -> Value {
        let mut text = Vec::new();
        variant.template.render(subject, &mut text);
        let mut value = element::read(&text);
        let id = element::text_property(parent, "id").unwrap_or_default();
        let kind = last_segment(&self.parent.object);
        for name in [self.parameter().0, kind] {
            if name != "id" && value.get(name).is_some() {
                element::set(&mut value, name, Value::from(id));
            }
        }
        value
    }
}

/// The stream that a list is read for; a second address of a list stands for the same.
fn keyed(
    facts: &ParentKeyed,
    parent: &StreamFacts,
    catalogue: &'static Catalogue,
) -> Option<&'static KeyedStream> {
    let same = |keyed: &&KeyedStream| keyed.facts.name == facts.name && keyed.parent == parent.name;
    let at = |keyed: &&KeyedStream| keyed.facts.path == facts.path;
    catalogue.keyed.iter().find(at).or(catalogue.keyed.iter().find(same))
}

/// An element whose id is a name, if there is one.
fn renamed(mut element: Value, name: Option<&&'static str>) -> Value {
    if let Some(name) = name {
        element::set(&mut element, "id", Value::from(*name));
    }
    element
}

/// Whether a parent says that it has none, or has nothing to ask for them by.
fn has_none(keyed: &KeyedStream, parent: &Value) -> bool {
    let says_none = keyed.none_if.as_ref().is_some_and(|none_if| {
        let said = parent.pointer(&format!("/{}", none_if.field.replace('.', "/")));
        said.map(Value::to_string).is_some_and(|said| said == none_if.says)
    });
    let has = |property: &String| parent.get(property).is_some_and(Value::is_string);
    says_none || !keyed.params.iter().all(|(_, property)| has(property))
}

/// The numbers of the elements under the parent of that number: none under one in three.
fn numbers(parent: usize) -> std::ops::Range<usize> {
    let count = match parent {
        parent if parent % LONG_EVERY == LONG_EVERY - 1 => 11 + parent / LONG_EVERY % 20,
        parent if parent % 3 == 0 => 0,
        parent => 1 + parent % 4,
    };
    let first = parent * NUMBERS_A_PARENT;
    first..first + count
}

/// The text of a path before and after the one parameter in it.
fn around_parameter(path: &str) -> Option<(&str, &str)> {
    let (before, rest) = path.split_once('{')?;
    let (_, after) = rest.split_once('}')?;
    Some((before, after))
}

fn last_segment(object: &str) -> &str {
    object.rsplit('.').next().unwrap_or(object)
}

fn parent(
    facts: &'static ParentKeyed,
    catalogue: &'static Catalogue,
) -> Option<&'static StreamFacts> {
    let mut streams = catalogue.streams.iter().chain(&catalogue.v2_streams);
    if let Some((before, _)) = around_parameter(&facts.path) {
        return streams.find(|stream| before.strip_suffix('/') == Some(stream.path.as_str()));
    }
    let parameter = facts.required_params.first()?;
    let same: Vec<&StreamFacts> =
        streams.filter(|stream| last_segment(&stream.object) == parameter).collect();
    let family = |path: &str| path.split('/').nth(2).map(str::to_owned);
    let near = same.iter().find(|stream| family(&stream.path) == family(&facts.path));
    near.or(same.first()).copied()
}

fn inside(facts: &ParentKeyed, parent: &StreamFacts, setting: &Setting<'_>) -> Option<Source> {
    let schema = setting.shapes.roots.get(&parent.name)?;
    let own_url = match around_parameter(&facts.path) {
        Some((before, after)) => format!("{before}{{id}}{after}"),
        None => format!("{}?{}={{id}}", facts.path, facts.required_params.first()?),
    };
    let lists = setting
        .shapes
        .schemas
        .get(schema)?
        .iter()
        .filter(|(_, property)| property.required && matches!(property.shape, Shape::List(_)));
    let mut names = lists.map(|(name, _)| name);
    let name = names.find(|name| list_url(&parent.resource, &parent.path, name) == own_url)?;
    Some(Source::Inside(name.clone()))
}

fn of(facts: &'static ParentKeyed, catalogue: &Catalogue, setting: &Setting<'_>) -> Option<Source> {
    let stream = catalogue.stream(&facts.name)?;
    let parameter = facts.required_params.first()?;
    let schema = setting.shapes.schemas.get(setting.shapes.roots.get(&stream.name)?)?;
    schema.contains_key(parameter).then_some(Source::Of(parameter))
}

fn made(facts: &ParentKeyed, parent: &StreamFacts, setting: &Setting<'_>) -> Option<Source> {
    let schema = setting.shapes.roots.get(&facts.name)?;
    // Two paths of one list end differently.
    let end = match facts.path.rsplit('/').next() {
        Some("people") => "persons",
        end => end.unwrap_or_default(),
    };
    let place = [setting.seed, text_number(&parent.name), text_number(end)];
    let root = Root { resource: &facts.resource, path: &facts.path, schema };
    Some(Source::Made {
        form: IdForm::of(&facts.resource, mix(&place)),
        names: names(facts, setting),
        variants: (0..VARIANTS).map(|number| compose(setting, root, number)).collect(),
        seed: mix(&place),
    })
}

/// Ids that name what the objects are, and so are the same under every parent.
fn names(facts: &ParentKeyed, setting: &Setting<'_>) -> Vec<&'static str> {
    if facts.resource != "capability" {
        return Vec::new();
    }
    let names = setting.shapes.schemas.get("account_capabilities").into_iter();
    names.flat_map(|names| names.keys().map(String::as_str)).collect()
}
