//! Small rooms: a file can be read in one sitting, and is named after what it is.

use std::path::Path;

/// Lines of a file without its tests.
const LINES: usize = 500;

/// Names that say nothing.
const NOT_A_NAME: [&str; 8] =
    ["utils", "util", "helpers", "helper", "common", "types", "misc", "manager"];

#[test]
fn no_file_is_longer_than_can_be_read_in_one_sitting() {
    let long: Vec<String> = super::sources()
        .iter()
        .filter(|path| !is_test(path))
        .map(|path| (lines_without_tests(path), path))
        .filter(|(lines, _)| *lines > LINES)
        .map(|(lines, path)| format!("{lines} {}", path.display()))
        .collect();
    assert!(long.is_empty(), "over {LINES} lines without tests: {long:#?}");
}

#[test]
fn files_are_named_after_what_they_are() {
    let vague: Vec<_> = super::sources()
        .into_iter()
        .filter(|path| {
            path.iter().any(|part| {
                let stem = Path::new(part).file_stem().unwrap_or(part);
                NOT_A_NAME.iter().any(|name| stem == *name)
            })
        })
        .collect();
    assert!(vague.is_empty(), "say what it is instead: {vague:#?}");
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    // Put together here, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["#[ig", "nore"], ["#[al", "low("], ["to", "do!("]];
    let mut found = Vec::new();
    for path in super::sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|parts| line.contains(&parts.concat())) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "unfinished: {found:#?}");
}

#[test]
fn a_program_is_a_few_lines_and_a_library_beside_it() {
    for entry in std::fs::read_dir(super::root().join("bins")).unwrap() {
        let folder = entry.unwrap().path();
        let main = std::fs::read_to_string(folder.join("src/main.rs")).unwrap();
        assert!(main.lines().count() <= 40, "{} is more than a start", folder.display());
        assert!(folder.join("src/lib.rs").is_file(), "{} has its library", folder.display());
        assert!(
            folder.join("tests").is_dir(),
            "{} has tests of the real program",
            folder.display()
        );
    }
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.iter().any(|part| part == "tests") || name.ends_with("_tests.rs") || name == "tests.rs"
}

fn lines_without_tests(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}
