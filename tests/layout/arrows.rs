//! Who may use whom: one line a package, and a new package fails until it has its line.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Package, what it uses, and what only its tests use beside that.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("protocol", &[], &[]),
    ("stripe-api", &[], &[]),
    ("pg", &["protocol"], &["testkit"]),
    ("connector", &["protocol"], &[]),
    ("engine", &["protocol", "pg"], &["testkit"]),
    ("testkit", &["protocol", "pg"], &[]),
    ("source-stripe", &["protocol", "connector", "stripe-api"], &["testkit"]),
    ("destination-postgres", &["protocol", "connector", "pg"], &["testkit"]),
    ("destination-sqlite", &["protocol", "connector"], &["testkit"]),
    ("destination-sheets", &["protocol", "connector"], &["testkit"]),
    ("sync-engine", &["protocol", "engine"], &["testkit"]),
    ("fake-stripe", &["stripe-api"], &["testkit"]),
    ("xtask", &["stripe-api"], &["testkit"]),
    ("workspace-tests", &[], &["protocol", "pg", "stripe-api", "testkit"]),
];

#[test]
fn every_arrow_is_in_the_table() {
    let metadata = MetadataCommand::new().current_dir(super::root()).no_deps().exec().unwrap();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let table: BTreeMap<&str, (&[&str], &[&str])> =
        ALLOWED.iter().map(|(name, uses, tests)| (*name, (*uses, *tests))).collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let Some((uses, tests)) = table.get(package.name.as_str()) else {
            wrong.push(format!("{} has no line in tests/layout/arrows.rs", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| ours.contains(d.name.as_str())) {
            let name = dependency.name.as_str();
            let in_tests = dependency.kind == DependencyKind::Development;
            if !(uses.contains(&name) || in_tests && tests.contains(&name)) {
                wrong.push(format!("{} -> {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by tests/layout/arrows.rs: {wrong:#?}");
    let gone: Vec<_> = table.keys().filter(|name| !ours.contains(*name)).collect();
    assert!(gone.is_empty(), "packages with a line that are gone: {gone:?}");
}
