//! What is asked of Stripe.

use url::Url;

use crate::errors::Question;

/// A request to make.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The path, without `base_url`.
    pub(crate) path: String,
    /// Whose budget it takes from.
    pub(crate) endpoint: String,
    /// The parameters.
    pub(crate) query: Vec<(String, String)>,
    /// The same for people.
    pub(crate) question: Question,
    /// Whether it names the version in which it is to be answered.
    pub(crate) is_versioned: bool,
    /// Bytes that the answer is expected to have, if it is let go when it has many more: that is
    /// [`Failure::TooLarge`](crate::errors::Failure::TooLarge).
    pub(crate) expected: Option<usize>,
    /// Bytes of room that the answer waits for before it is read, if it waits. What is asked for
    /// while a page is held, which has its room, must not wait: that would be for itself.
    pub(crate) room: Option<usize>,
}

impl Call {
    /// A page of a stream's list.
    pub(crate) fn list(stream: &str, path: &str, query: Vec<(String, String)>) -> Self {
        let doing = format!("listing `{stream}` (GET {path})");
        Self::of(path.to_owned(), path.to_owned(), query, Question::of_stream(doing, stream))
    }

    /// A page of a list inside an object of a stream.
    pub(crate) fn nested(
        stream: &str,
        path: &str,
        endpoint: String,
        query: Vec<(String, String)>,
    ) -> Self {
        let doing = format!("listing what is inside an object of `{stream}` (GET {path})");
        let question = Question { one_object: true, ..Question::of_stream(doing, stream) };
        Self::of(path.to_owned(), endpoint, query, question)
    }

    /// A page of a stream's list under a parent. All such lists have one budget, named by the first
    /// text of `list`; the second is the parameter that names the parent.
    pub(crate) fn under_parent(
        stream: &str,
        path: &str,
        (endpoint, parameter): (&str, &str),
        query: Vec<(String, String)>,
    ) -> Self {
        let doing = format!("listing `{stream}` (GET {path})");
        let parent = Some(parameter.to_owned());
        let question = Question { parent, ..Question::of_stream(doing, stream) };
        Self::of(path.to_owned(), endpoint.to_owned(), query, question)
    }

    /// One object of a stream; `template` is its path with `{id}` in the place of the id.
    pub(crate) fn object(stream: &str, template: &str, id: &str) -> Self {
        let path = template.replace("{id}", &path_segment(id));
        let doing = format!("asking for an object of `{stream}` (GET {path})");
        let question = Question { one_object: true, ..Question::of_stream(doing, stream) };
        Self::of(path, template.to_owned(), Vec::new(), question)
    }

    /// A page of changes.
    pub(crate) fn events(query: Vec<(String, String)>) -> Self {
        let mut call = Self::new("reading the changes", "/v1/events");
        call.question.permission = Some("give the key read permission for events".to_owned());
        Self { query, ..call }
    }

    /// Something else.
    pub(crate) fn new(doing: &str, path: &str) -> Self {
        let doing = format!("{doing} (GET {path})");
        let question =
            Question { doing, stream: None, permission: None, parent: None, one_object: false };
        Self::of(path.to_owned(), path.to_owned(), Vec::new(), question)
    }

    /// A path and whose budget it takes from, asked in our version; the answer is taken at any size,
    /// and at once.
    fn of(
        path: String,
        endpoint: String,
        query: Vec<(String, String)>,
        question: Question,
    ) -> Self {
        Self { path, endpoint, query, question, is_versioned: true, expected: None, room: None }
    }

    /// The same without a version: Stripe answers in the account's own and says which that is.
    pub(crate) fn in_default_version(self) -> Self {
        Self { is_versioned: false, ..self }
    }

    /// Something that takes more than reading; `permission` says what to do when it is forbidden.
    pub(crate) fn with_permission(
        doing: &str,
        method: &str,
        path: &str,
        permission: String,
    ) -> Self {
        let mut call = Self::new(doing, path);
        call.question.doing = format!("{doing} ({method} {path})");
        call.question.permission = Some(permission);
        call
    }

    /// The same, whose answer is let go when it is much larger than this many bytes.
    pub(crate) fn of_about(self, bytes: usize) -> Self {
        Self { expected: Some(bytes), ..self }
    }

    /// The same, whose answer is read once there is room for so many bytes, or as many as it announces.
    pub(crate) fn with_room(self, bytes: usize) -> Self {
        Self { room: Some(bytes), ..self }
    }

    /// Adds a parameter.
    pub(crate) fn ask(&mut self, name: &str, value: &str) {
        self.query.push((name.to_owned(), value.to_owned()));
    }
}

/// What a request carries that changes something.
#[derive(Debug)]
pub(crate) enum Writing {
    /// Makes or changes an object; tries under one key count as one.
    Post {
        /// The parameters.
        form: Vec<(String, String)>,
        /// Names this change.
        idempotency_key: String,
    },
    /// Removes it.
    Delete,
}

/// A text as one part of a path: owners may choose ids of their own.
pub(crate) fn path_segment(text: &str) -> String {
    let Ok(mut url) = Url::parse("http://stripe") else { return text.to_owned() };
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.clear().push(text);
    }
    url.path().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_its_owner_chose_is_one_part_of_a_path() {
        assert_eq!(path_segment("cus_1"), "cus_1");
        assert_eq!(path_segment("50% off/now?"), "50%25%20off%2Fnow%3F");
    }
}
