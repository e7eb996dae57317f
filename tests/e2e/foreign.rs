//! A connector in another language: the one that the document shows, as it stands there.

use testkit::program::Program;

const DOCUMENT: &str = include_str!("../../docs/add-a-connector.md");

fn script() -> &'static str {
    let (_, after) = DOCUMENT.split_once("```sh\n").expect("the document shows a shell script");
    after.split_once("```").expect("the script ends").0
}

#[tokio::test]
async fn the_shell_source_of_the_document_fills_a_file_and_goes_on_from_its_state() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("source-weekdays"), script()).unwrap();
    let sync = || {
        Program::named("sync-engine")
            .folder(folder.path())
            .env("XDG_STATE_HOME", folder.path())
            .args(["sync", "--source", r#"{"type":"weekdays","weekdays":{}}"#])
            .args(["--connector", "source.weekdays=sh source-weekdays", "--sqlite", "week.db"])
    };
    let first = sync().run("").await.expect_code(0);
    assert!(first.stderr.contains("7 records (7 new)"), "{}", first.stderr);
    let second = sync().run("").await.expect_code(0);
    assert!(second.stderr.contains("0 records"), "{}", second.stderr);
    let copy = rusqlite::Connection::open(folder.path().join("week.db")).unwrap();
    let query = "SELECT group_concat(name, ' ') FROM (SELECT name FROM weekdays ORDER BY id)";
    let days: String = copy.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(days, "Monday Tuesday Wednesday Thursday Friday Saturday Sunday");
}
