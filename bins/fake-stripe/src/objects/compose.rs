//! From a shape to a template: which of the optional parts are there, what is null, what each
//! property says. Every variant of a resource is composed once.

use std::collections::BTreeMap;
use std::mem;

use stripe_api::{Property, Shape, Shapes};

use super::ids::{IdForm, text_number};
use super::presence::{Method, in_order, null_percent, there_percent};
use super::template::{Hole, Template};
use super::values;
use crate::mix::mix;

/// No object is nested deeper.
const MAX_DEPTH: usize = 12;

/// Stripe shows this many elements of a list inside an object.
pub(crate) const SHOWN: usize = 10;

/// One variant in this many has nested lists that do not fit.
const LONG_LISTS_EVERY: u64 = 12;

/// References to what is listed under the object, so that it says whether there is any.
const LED_BY: [&str; 2] = ["latest_attempt", "ownership"];

/// What every composition of a world needs to know.
pub(crate) struct Setting<'a> {
    pub(crate) shapes: &'static Shapes,
    /// By resource: how ids are made, and how many objects exist.
    pub(crate) targets: BTreeMap<&'a str, (IdForm, u32)>,
    /// The event types that exist.
    pub(crate) event_types: Vec<&'a str>,
    pub(crate) livemode: bool,
    /// When the time that objects span ends, in unix seconds.
    pub(crate) end: i64,
    pub(crate) seed: u64,
}

/// The resource whose objects are composed.
#[derive(Clone, Copy)]
pub(crate) struct Root<'a> {
    pub(crate) resource: &'a str,
    pub(crate) path: &'a str,
    pub(crate) schema: &'a str,
}

/// One way in which objects of a resource can look.
pub(crate) struct Variant {
    pub(crate) template: Template,
    /// Of the lists inside it, by name: the elements that do not fit.
    pub(crate) rest: BTreeMap<String, Vec<Template>>,
    /// The `status` that it has, if its resource has one.
    pub(crate) status: Option<String>,
}

/// Composes variant number `number` of a resource.
pub(crate) fn compose(setting: &Setting<'_>, root: Root<'_>, number: u64) -> Variant {
    let random = mix(&[setting.seed, text_number(root.resource), number]);
    let variant = Variant { template: Template::default(), rest: BTreeMap::new(), status: None };
    let mut composer = Composer { setting, root, number, random, variant };
    composer.object(root.schema, 0, 2);
    composer.variant
}

struct Composer<'a> {
    setting: &'a Setting<'a>,
    root: Root<'a>,
    number: u64,
    random: u64,
    variant: Variant,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    schema: &'a str,
    name: &'a str,
    /// Objects around it.
    depth: usize,
    /// Steps of two spaces before its line.
    indent: usize,
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> u64 {
        self.random = mix(&[self.random]);
        self.random
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn object(&mut self, schema: &'a str, depth: usize, indent: usize) {
        let setting = self.setting;
        let Some(properties) = setting.shapes.schemas.get(schema).filter(|_| depth < MAX_DEPTH)
        else {
            self.variant.template.text("{}");
            return;
        };
        let method = Method::of(properties, self.next());
        let mut separator = "{\n";
        for (name, property) in in_order(properties) {
            let place = Place { schema, name, depth, indent: indent + 1 };
            let is_other_method = method.as_ref().is_some_and(|method| method.leaves_out(name));
            let is_method = method.as_ref().is_some_and(|method| method.chosen == name);
            if is_other_method || !is_method && !self.chance(there_percent(name, depth, property)) {
                continue;
            }
            self.variant.template.text(separator);
            self.key(name, place.indent);
            match &method {
                Some(method) if name == "type" => self.quoted(method.chosen),
                Some(_) if is_method => self.shape(place, &property.shape),
                _ => self.value(place, property),
            }
            separator = ",\n";
        }
        self.close(separator, '}', indent);
    }

    fn value(&mut self, place: Place<'a>, property: &'a Property) {
        if property.nullable && self.is_null(place, &property.shape) {
            self.variant.template.text("null");
        } else {
            self.shape(place, &property.shape);
        }
    }

    fn is_null(&mut self, place: Place<'_>, shape: &Shape) -> bool {
        let leads_nowhere = matches!(shape, Shape::Id(resources) if self.target(resources).is_none())
            && !LED_BY.contains(&place.name);
        // What a list shows inside an object belongs to that object.
        if self.names_the_root(place) && matches!(shape, Shape::Text | Shape::Id(_)) {
            return false;
        }
        leads_nowhere || self.chance(null_percent(place.name, place.depth, shape))
    }

    /// Whether a property inside the object, such as `value_list` for `radar.value_list`, is
    /// called what the object is.
    fn names_the_root(&self, place: Place<'_>) -> bool {
        let own = self.root.resource.rsplit('.').next();
        place.depth > 0 && own == Some(place.name)
    }

    fn shape(&mut self, place: Place<'a>, shape: &'a Shape) {
        let random = self.next();
        match shape {
            Shape::Text => self.text_value(place, random),
            Shape::Integer => values::write_integer(place.name, random, &mut self.variant.template),
            Shape::Number => self.variant.template.text(values::number(random)),
            Shape::Boolean => self.boolean(place.name),
            Shape::Time => self.time(place, random),
            Shape::Map => self.map(place, random),
            Shape::Choice(choices) => self.choice(place, choices, random),
            Shape::Id(resources) => self.reference(resources),
            Shape::Object(schema) => self.object(schema, place.depth + 1, place.indent),
            Shape::Array(item) => self.elements(place, item, usize::from(random % 2 == 1)),
            Shape::List(item) => self.list(place, item),
        }
    }

    fn text_value(&mut self, place: Place<'a>, random: u64) {
        let setting = self.setting;
        match place.name {
            "id" => self.id(place),
            "created" | "updated" => self.quoted_hole(Hole::CreatedText),
            "api_version" => self.quoted(&setting.shapes.api_version),
            "type" if self.root.resource == "event" && place.depth == 0 => {
                self.quoted(values::choose(&setting.event_types, random).unwrap_or_default());
            }
            _ if self.names_the_root(place) => self.quoted_hole(Hole::OwnId),
            name if name.ends_with("currency") => {
                self.quoted(values::choose(&["usd", "eur", "jpy"], self.number).unwrap_or("usd"));
            }
            name if setting.targets.contains_key(name) => self.reference(&[name.to_owned()]),
            name => {
                self.variant.template.text("\"");
                values::write_text(name, random, &mut self.variant.template);
                self.variant.template.text("\"");
            }
        }
    }

    /// The object's own id, that of a listed object inside another, or one of something unlisted.
    fn id(&mut self, place: Place<'_>) {
        let hole = if place.depth == 0 {
            Hole::OwnId
        } else {
            let object = self.object_constant(place.schema).unwrap_or(place.schema);
            self.hole_for(object)
        };
        self.quoted_hole(hole);
    }

    fn object_constant(&self, schema: &str) -> Option<&'a str> {
        let setting: &'a Setting<'a> = self.setting;
        let object = setting.shapes.schemas.get(schema)?.get("object")?;
        let Shape::Choice(constants) = &object.shape else { return None };
        constants.first().map(String::as_str)
    }

    fn hole_for(&self, resource: &str) -> Hole {
        if resource == self.root.resource {
            return Hole::OwnId;
        }
        match self.setting.targets.get(resource) {
            Some((form, count)) if *count > 0 => Hole::IdOf { form: form.clone(), count: *count },
            _ => values::foreign(resource, self.setting.seed),
        }
    }

    /// The first of these resources that has objects here.
    fn target<'r>(&self, resources: &'r [String]) -> Option<&'r String> {
        let exists = |resource: &&String| {
            self.setting.targets.get(resource.as_str()).is_some_and(|(_, count)| *count > 0)
        };
        resources.iter().find(exists)
    }

    fn reference(&mut self, resources: &[String]) {
        let resource = self.target(resources).or(resources.first());
        let hole = self.hole_for(resource.map_or("", String::as_str));
        self.quoted_hole(hole);
    }

    fn boolean(&mut self, name: &str) {
        let value = match name {
            "livemode" => self.setting.livemode,
            // A list of reviews gives only those that are open.
            "open" => true,
            "deleted" => false,
            _ => self.chance(60),
        };
        self.variant.template.text(if value { "true" } else { "false" });
    }

    fn time(&mut self, place: Place<'_>, random: u64) {
        let is_own = matches!(place.name, "created" | "date") && place.depth == 0;
        let later = if is_own { 0 } else { i64::try_from(random % 2_592_000).unwrap_or(0) };
        let is_change = place.name == "updated" && place.depth == 0;
        let end = self.setting.end;
        let changed = Hole::Updated { later, end };
        self.variant.template.hole(if is_change { changed } else { Hole::Created { later } });
    }

    fn map(&mut self, place: Place<'_>, random: u64) {
        let entries = if place.name == "metadata" { values::metadata(random) } else { &[] };
        let mut separator = "{\n";
        for (key, text) in entries {
            self.variant.template.text(separator);
            self.key(key, place.indent + 1);
            self.variant.template.text("\"");
            values::write_pattern(text, &mut self.variant.template);
            self.variant.template.text("\"");
            separator = ",\n";
        }
        self.close(separator, '}', place.indent);
    }

    fn choice(&mut self, place: Place<'_>, choices: &'a [String], random: u64) {
        let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
        let is_status = place.depth == 0 && place.name == "status";
        let random = if is_status { self.number } else { random };
        let chosen = values::choose(&choices, random).unwrap_or_default();
        if is_status {
            self.variant.status = Some(chosen.to_owned());
        }
        self.quoted(chosen);
    }

    fn elements(&mut self, place: Place<'a>, item: &'a Shape, count: usize) {
        let mut separator = "[\n";
        for _ in 0..count {
            self.variant.template.text(separator);
            self.line_start(place.indent + 1);
            self.shape(Place { indent: place.indent + 1, ..place }, item);
            separator = ",\n";
        }
        self.close(separator, ']', place.indent);
    }

    /// A list inside the object, as Stripe shows it: no more than ten elements.
    fn list(&mut self, place: Place<'a>, item: &'a Shape) {
        let is_long = self.number % LONG_LISTS_EVERY == LONG_LISTS_EVERY - 1;
        let random = usize::try_from(self.next() % 20).unwrap_or(0);
        let count = if is_long { SHOWN + 1 + random } else { 1 + random % 4 / 3 };
        let inner = Place { indent: place.indent + 1, depth: place.depth + 1, ..place };
        self.variant.template.text("{\n");
        self.key("object", inner.indent);
        self.variant.template.text("\"list\",\n");
        self.key("data", inner.indent);
        self.elements(inner, item, count.min(SHOWN));
        self.rest(inner, item, count.saturating_sub(SHOWN));
        self.variant.template.text(",\n");
        self.key("has_more", inner.indent);
        self.variant.template.text(if count > SHOWN { "true,\n" } else { "false,\n" });
        self.key("total_count", inner.indent);
        self.variant.template.text(&format!("{count},\n"));
        self.key("url", inner.indent);
        self.variant.template.text("\"");
        let url = list_url(self.root.resource, self.root.path, place.name);
        values::write_pattern(&url, &mut self.variant.template);
        self.variant.template.text("\"");
        self.close(",\n", '}', place.indent);
    }

    /// The elements that are not shown. They draw from a source of their own, so that the object
    /// is the same whether or not there are any.
    fn rest(&mut self, place: Place<'a>, item: &'a Shape, count: usize) {
        if count == 0 {
            return;
        }
        let kept = (self.random, mem::take(&mut self.variant.template));
        let mut elements = Vec::new();
        for salt in (1_u64..).take(count) {
            self.random = mix(&[kept.0, salt]);
            self.variant.template = Template::salted(salt);
            self.shape(place, item);
            elements.push(mem::take(&mut self.variant.template));
        }
        (self.random, self.variant.template) = kept;
        self.variant.rest.insert(place.name.to_owned(), elements);
    }

    fn quoted(&mut self, text: &str) {
        self.variant.template.text(&format!("\"{text}\""));
    }

    fn quoted_hole(&mut self, hole: Hole) {
        self.variant.template.text("\"");
        self.variant.template.hole(hole);
        self.variant.template.text("\"");
    }

    fn key(&mut self, name: &str, indent: usize) {
        self.line_start(indent);
        self.variant.template.text(&format!("\"{name}\": "));
    }

    fn line_start(&mut self, indent: usize) {
        self.variant.template.text(&"  ".repeat(indent));
    }

    /// Closes an object or array, which is empty if its first separator was never written.
    fn close(&mut self, separator: &str, bracket: char, indent: usize) {
        if separator.starts_with(',') {
            self.variant.template.text("\n");
            self.line_start(indent);
            self.variant.template.text(&bracket.to_string());
        } else {
            self.variant.template.text(if bracket == '}' { "{}" } else { "[]" });
        }
    }
}

/// The address of a list inside an object: `{id}` stands for the object's.
pub(crate) fn list_url(resource: &str, path: &str, name: &str) -> String {
    match (resource, name) {
        ("subscription", "items") => "/v1/subscription_items?subscription={id}".to_owned(),
        ("radar.value_list", _) => "/v1/radar/value_list_items?value_list={id}".to_owned(),
        _ => format!("{path}/{{id}}/{name}"),
    }
}
