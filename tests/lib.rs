//! Suites that need more than one crate; the library itself is empty.
