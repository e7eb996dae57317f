//! Pages and single objects of an account.

use serde_json::{Value, json};

use crate::answer::{Answer, ApiError};
use crate::list;
use crate::objects::{ChildList, Stream};
use crate::params::{self, Accepts, ListQuery};
use crate::render;
use crate::tenant::Tenant;
use crate::v2;

/// Kinds of objects whose retrieve still answers when they are deleted, with a stub. The file
/// says so of these; any other deleted object is not found.
const KEPT_AS_STUBS: [&str; 4] =
    ["customer", "terminal.configuration", "terminal.location", "terminal.reader"];

/// An account at a moment, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) now: i64,
    /// Whether a page begins with the last object of the page before.
    pub(crate) is_repeating: bool,
}

impl Reader<'_> {
    /// A page of a stream's list, which may be out of order.
    pub(crate) fn page(
        &self,
        stream: &Stream,
        query: &str,
        is_disordered: bool,
    ) -> Result<Answer, ApiError> {
        let view = self.tenant.listed(stream, self.now);
        if stream.facts.v2 {
            let (page, next) = v2::page(&view, &v2::read(stream.facts, query)?)?;
            return Ok(Answer::ok(render::v2_page(&view, &page, next.as_deref())));
        }
        let query = params::read(&Accepts::of(stream.facts), query)?;
        let mut page = match is_disordered {
            true => list::disordered_page(&view, &query)?,
            false => list::page(&view, &query)?,
        };
        if self.is_repeating {
            page.repeat(query.starting_after.as_deref().and_then(|id| view.position(id)));
        }
        Ok(Answer::ok(render::page(&view, &page)))
    }

    /// One object, or what is left of it.
    pub(crate) fn object(&self, stream: &Stream, id: &str) -> Result<Answer, ApiError> {
        let object = stream.facts.object.as_str();
        let missing = || ApiError::missing(404, object, id, "id");
        let view = self.tenant.current(stream, self.now);
        let position = view.position(id).ok_or_else(missing)?;
        if view.is_there(position) {
            return Ok(Answer::ok(render::alone(view.object(position))));
        }
        if view.is_deleted(position) && KEPT_AS_STUBS.contains(&object) {
            return Ok(Answer::json(&json!({"id": id, "object": object, "deleted": true})));
        }
        Err(missing())
    }

    /// A page of a list under a parent, whose id stands in the path or in the query.
    pub(crate) fn children(
        &self,
        list: &ChildList,
        id: &str,
        path: &str,
        query: &str,
    ) -> Result<Answer, ApiError> {
        if list.parent.v2 {
            let query = v2::read_under_parent(query)?;
            let elements = self.under_parent(list, id, 404)?;
            let (page, next) = v2::page_of(path, &elements, &query)?;
            return Ok(Answer::ok(render::v2_page_of(&elements, &page, next.as_deref())));
        }
        let query = params::read(&Accepts::of_child(list), query)?;
        let (parameter, is_in_path) = list.parameter();
        for name in list.facts.required_params.iter().skip(usize::from(is_in_path)) {
            query.named(name).next().ok_or_else(|| ApiError::missing_param(name))?;
        }
        let (id, status) = query.named(parameter).next().map_or((id, 404), |id| (id, 400));
        self.hold_against_parent(list, id, &query)?;
        let elements = self.under_parent(list, id, status)?;
        let page = list::page_of(&elements, &query, &list.facts.resource)?;
        Ok(Answer::ok(render::page_of(path, &elements, &page)))
    }

    /// Refuses a request that names something of the parent which is not the parent's.
    fn hold_against_parent(
        &self,
        list: &ChildList,
        id: &str,
        query: &ListQuery,
    ) -> Result<(), ApiError> {
        let parents = self.tenant.world.stream(&list.parent.name);
        let parent = parents.and_then(|parents| {
            let view = self.tenant.listed(parents, self.now);
            Some(view.whole(view.position(id)?))
        });
        for (name, property) in list.properties() {
            let own = parent.as_ref().and_then(|parent| parent.get(property)?.as_str());
            if let Some(other) = query.named(name).find(|named| Some(*named) != own) {
                return Err(ApiError::missing(400, property, other, name));
            }
        }
        Ok(())
    }

    /// All elements under a parent; `status` answers that there is no such parent.
    fn under_parent(
        &self,
        list: &ChildList,
        id: &str,
        status: u16,
    ) -> Result<Vec<Value>, ApiError> {
        let missing = || ApiError::missing(status, &list.parent.object, id, list.parameter().0);
        let world = &self.tenant.world;
        let parents = world.stream(&list.parent.name).ok_or_else(missing)?;
        let view = self.tenant.listed(parents, self.now);
        let position = view.position(id).filter(|position| view.is_there(*position));
        Ok(list.elements(world, &view, position.ok_or_else(missing)?))
    }
}
