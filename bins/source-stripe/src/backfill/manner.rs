//! The manner in which a copy was filled, kept so that a change of it is told. Pure.

use std::collections::BTreeMap;

use connector::ReadRequest;
use serde::{Deserialize, Serialize};

use super::start::Wishes;

/// What decides the content of records beside Stripe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manner {
    api_version: String,
    expand_lists: bool,
    /// The fields that are kept of a stream, where not all are.
    #[serde(default)]
    fields: BTreeMap<String, Vec<String>>,
}

impl Manner {
    /// That of a run.
    pub(crate) fn of(request: &ReadRequest, wishes: &Wishes) -> Self {
        let streams = request.catalog.streams.iter();
        let fields = streams.filter_map(|configured| {
            Some((configured.stream.name.clone(), configured.fields.clone()?))
        });
        Self {
            api_version: wishes.api_version.clone(),
            expand_lists: wishes.expand_lists,
            fields: fields.collect(),
        }
    }

    /// Words for each difference to what a copy was filled with; only streams with a state count.
    pub(crate) fn differences(
        &self,
        filled: &Self,
        is_filled: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut told = Vec::new();
        if self.api_version != filled.api_version {
            let (now, then) = (&self.api_version, &filled.api_version);
            told.push(format!("was filled with `api_version` `{then}`, which is `{now}` now"));
        }
        if self.expand_lists != filled.expand_lists {
            let (now, then) = (self.expand_lists, filled.expand_lists);
            told.push(format!("was filled with `expand_lists` {then}, which is {now} now"));
        }
        let names = self.fields.keys().chain(filled.fields.keys());
        let mut changed: Vec<&str> = names
            .filter(|name| self.fields.get(*name) != filled.fields.get(*name) && is_filled(name))
            .map(String::as_str)
            .collect();
        changed.sort_unstable();
        changed.dedup();
        if !changed.is_empty() {
            told.push(format!("was filled with other `fields` of `{}`", changed.join("`, `")));
        }
        told.iter()
            .map(|what| {
                format!(
                    "the copy {what}: what did not change since stays as it is; \
                     a full refresh brings everything anew"
                )
            })
            .collect()
    }
}
