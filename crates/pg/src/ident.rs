//! SQL names and literals: the one place where either becomes text.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::Error;

/// Bytes that PostgreSQL keeps of a name (`NAMEDATALEN` - 1); it cuts the rest without a word.
const MAX_BYTES: usize = 63;

/// An SQL name; displays as a quoted identifier, safe to place into a statement.
///
/// Longer than 63 bytes, it is cut on a character boundary and ends in a hash of the whole name:
/// the same name always gives the same result, and two long names stay apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ident(String);

impl Ident {
    /// Makes a name of any text; one that is empty or holds NUL is refused, as the server would.
    pub fn new(name: &str) -> Result<Self, Error> {
        if name.is_empty() {
            return Err(Error::Name { name: name.to_owned(), reason: "a name cannot be empty" });
        }
        if name.contains('\0') {
            return Err(Error::Name { name: name.to_owned(), reason: "a name cannot hold NUL" });
        }
        if name.len() <= MAX_BYTES {
            return Ok(Self(name.to_owned()));
        }
        let suffix = format!("_h{:016x}", xxh3_64(name.as_bytes()));
        let room = MAX_BYTES - suffix.len();
        let prefix = (0..=room).rev().find_map(|end| name.get(..end)).unwrap_or_default();
        Ok(Self(format!("{prefix}{suffix}")))
    }

    /// The name as the server stores it: not quoted, already cut.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// This name as a schema that holds `object`.
    pub fn with(&self, object: &Self) -> Qualified {
        Qualified { schema: self.clone(), object: object.clone() }
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A name with its schema; displays as `"schema"."object"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Qualified {
    schema: Ident,
    object: Ident,
}

impl Qualified {
    /// The schema that holds the object.
    pub fn schema(&self) -> &Ident {
        &self.schema
    }

    /// The object's own name.
    pub fn object(&self) -> &Ident {
        &self.object
    }
}

impl fmt::Display for Qualified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.schema, self.object)
    }
}

/// A text value for statements that take no parameters (DDL); displays as a quoted literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// Makes a literal of any text; NUL is refused, as no text value may hold it.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.contains('\0') {
            return Err(Error::Name { name: text.to_owned(), reason: "a value cannot hold NUL" });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.0.replace('\'', "''");
        if quoted.contains('\\') {
            // Right whatever `standard_conforming_strings` says.
            return write!(out, "E'{}'", quoted.replace('\\', "\\\\"));
        }
        write!(out, "'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        assert_eq!(Ident::new("we\"ird; drop").unwrap().to_string(), "\"we\"\"ird; drop\"");
    }

    #[test]
    fn a_name_with_nul_or_without_text_is_refused() {
        assert!(Ident::new("a\0b").is_err());
        assert!(Ident::new("").is_err());
        assert!(Literal::new("a\0b").is_err());
    }

    #[test]
    fn long_names_with_one_beginning_stay_apart() {
        let one = Ident::new(&format!("{}a", "é".repeat(40))).unwrap();
        let two = Ident::new(&format!("{}b", "é".repeat(40))).unwrap();
        assert_ne!(one, two);
        assert!(one.name().len() <= MAX_BYTES);
    }

    #[test]
    fn a_literal_with_a_backslash_is_an_escape_string() {
        assert_eq!(Literal::new("it's").unwrap().to_string(), "'it''s'");
        assert_eq!(Literal::new("a\\'b").unwrap().to_string(), "E'a\\\\''b'");
    }

    proptest! {
        #[test]
        fn any_name_fits_and_is_cut_the_same_way_twice(name in "[^\0]{1,200}") {
            let ident = Ident::new(&name).unwrap();
            prop_assert!(ident.name().len() <= MAX_BYTES);
            prop_assert_eq!(&ident, &Ident::new(&name).unwrap());
            prop_assert_eq!(&Ident::new(ident.name()).unwrap(), &ident);
            let text = ident.to_string();
            let inner = text.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert_eq!(inner.replace("\"\"", "\""), ident.name());
        }
    }
}
