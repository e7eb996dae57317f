//! Who may use whom: one line a package, and a new package fails until it has its line.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Dependency, DependencyKind, MetadataCommand};

/// Package, what it uses, and what only its tests use beside that.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("protocol", &[], &[]),
    ("stripe-api", &[], &[]),
    ("pg", &[], &["testkit"]),
    ("connector", &["protocol"], &[]),
    ("engine", &["protocol", "pg"], &["testkit"]),
    ("testkit", &["pg"], &[]),
    ("source-stripe", &["protocol", "connector", "stripe-api"], &["testkit"]),
    ("destination-postgres", &["protocol", "connector", "pg"], &["testkit"]),
    ("destination-sqlite", &["protocol", "connector"], &["testkit"]),
    ("destination-sheets", &["protocol", "connector"], &["testkit"]),
    ("sync-engine", &["protocol", "engine"], &["testkit"]),
    ("fake-stripe", &["stripe-api"], &[]),
    ("xtask", &["stripe-api"], &["testkit"]),
    ("workspace-tests", &[], &["protocol", "pg", "stripe-api", "testkit"]),
];

#[test]
fn the_table_has_every_arrow_and_no_other() {
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
        for (allowed, in_tests) in [(uses, false), (tests, true)] {
            let is_meant = |d: &&Dependency| (d.kind == DependencyKind::Development) == in_tests;
            let there = package.dependencies.iter().filter(is_meant).map(|d| d.name.as_str());
            let there: BTreeSet<&str> = there.filter(|name| ours.contains(name)).collect();
            let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
            wrong.extend(there.difference(&allowed).map(|it| format!("{} -> {it}", package.name)));
            let idle = allowed.difference(&there);
            wrong.extend(idle.map(|it| format!("{} -> {it}, which it does not use", package.name)));
        }
    }
    assert!(wrong.is_empty(), "tests/layout/arrows.rs says otherwise: {wrong:#?}");
    let gone: Vec<_> = table.keys().filter(|name| !ours.contains(*name)).collect();
    assert!(gone.is_empty(), "packages with a line that are gone: {gone:?}");
}

#[test]
fn every_dependency_is_used_by_who_asks_for_it() {
    let metadata = MetadataCommand::new().current_dir(super::root()).no_deps().exec().unwrap();
    let mut idle = Vec::new();
    for package in &metadata.packages {
        let mut files = Vec::new();
        super::walk(package.manifest_path.parent().unwrap().as_std_path(), &mut files);
        let code: String =
            files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let names = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        let unused = names.filter(|name| !code.contains(&format!("{}::", name.replace('-', "_"))));
        idle.extend(unused.map(|name| format!("{} -> {name}", package.name)));
    }
    assert!(idle.is_empty(), "no line of code names what these Cargo.toml ask for: {idle:#?}");
}
