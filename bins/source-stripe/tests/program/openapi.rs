//! Other versions of the API, by their OpenAPI file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::program::{Finished, Program};

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read, texts};
use crate::scripted::{Scripted, answer};

fn older() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    packages.join("crates/stripe-api/tests/data/2024-06-20.json.gz")
}

/// A configuration that asks for the version of a file, and for nobody's data.
fn of_file(named: &str) -> Value {
    json!({"api_key": "sk_test_0123456789abcd", "openapi_spec": named, "account_id": "acct_9"})
}

async fn discover(config: &Value, cache: &Path) -> Finished {
    let program =
        Program::named("source-stripe").args(["discover", "--config", &config.to_string()]);
    program.env("XDG_CACHE_HOME", cache.to_str().unwrap()).run("").await
}

fn version(finished: &Finished) -> Value {
    finished.of_type("catalog")[0]["catalog"]["streams"][0]["metadata"]["api_version"].clone()
}

#[tokio::test]
async fn every_stream_of_an_older_version_is_read_whole() {
    let file = older();
    let file = file.to_str().unwrap();
    let fake = Fake::start("all=25,customers=230,payment_methods=130", &["--openapi", file]).await;
    let cache = tempfile::tempdir().unwrap();
    let wishes = json!({"openapi_spec": file, "api_version": null, "child_streams": "all"});
    let config = config(&fake.url, wishes);
    let found = discover(&config, cache.path()).await.expect_code(0).of_type("catalog").remove(0);
    let streams = found["catalog"]["streams"].as_array().unwrap();
    let names: Vec<&str> = streams.iter().map(|stream| stream["name"].as_str().unwrap()).collect();
    assert!(names.len() > 60, "{}", names.len());
    let read = read(&config, &catalog(&names), None);
    let read = read.env("XDG_CACHE_HOME", cache.path().to_str().unwrap());
    let copied = copied(&read.run("").await.expect_code(0));
    for name in names {
        copied.assert_equals(name, &fake.oracle(name).await);
        assert!(copied.ended(name, "complete") && copied.is_done(name), "{name}");
    }
}

#[tokio::test]
async fn the_version_of_a_file_is_given_back_to_be_kept() {
    let cache = tempfile::tempdir().unwrap();
    let config = of_file(older().to_str().unwrap());
    let setup = Program::named("source-stripe")
        .args(["setup", "--config", &config.to_string()])
        .args(["--catalog", &catalog(&["customers"]).to_string()])
        .env("XDG_CACHE_HOME", cache.path().to_str().unwrap());
    let control = setup.run("").await.expect_code(0).of_type("control").remove(0);
    assert_eq!(control["control"]["source_config"]["api_version"], "2024-06-20");
    let moved = {
        let mut config = config.clone();
        config["api_version"] = json!("2025-01-27.acacia");
        discover(&config, cache.path()).await.expect_code(2)
    };
    let told = "describes `2024-06-20`, not `api_version` `2025-01-27.acacia`";
    assert!(moved.stderr.contains(told), "{}", moved.stderr);
}

#[tokio::test]
async fn an_address_is_fetched_once_and_a_broken_cache_is_made_anew() {
    let bytes = std::fs::read(older()).unwrap();
    let web = Scripted::bare(move |_| answer(200, bytes.clone())).await;
    let config = of_file(&format!("{}/spec3.json.gz?token=canary", web.url));
    let cache = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let finished = discover(&config, cache.path()).await.expect_code(0);
        assert_eq!(version(&finished), "2024-06-20");
        assert_eq!(web.asked().len(), 1);
    }
    assert!(!web.asked()[0].headers.contains_key("authorization"), "the key stays here");
    let folder = cache.path().join("sync-engine");
    let kept: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(kept.len(), 1);
    std::fs::write(kept[0].path(), "{\"api_version\":\"2024-").unwrap();
    assert_eq!(version(&discover(&config, cache.path()).await.expect_code(0)), "2024-06-20");
    assert_eq!(web.asked().len(), 2);
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_a_warning() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = of_file(older().to_str().unwrap());
    let finished = discover(&config, file.path()).await.expect_code(0);
    assert_eq!(version(&finished), "2024-06-20");
    let logs = texts(&finished, "log", "message");
    assert!(logs[0].contains("are compiled for each call; set XDG_CACHE_HOME"), "{logs:?}");
}

#[tokio::test]
async fn what_is_no_openapi_file_is_one_clear_error() {
    let web = Scripted::bare(|asked| match asked.path.as_str() {
        "/page" => answer(200, "<html>sign in</html>"),
        "/away" => answer(503, ""),
        _ => answer(404, "not found"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        (
            "/no/such/spec3.json".to_owned(),
            2,
            "reading `openapi_spec` `/no/such/spec3.json`: No such file",
        ),
        (written("page", "<html></html>"), 2, "a web page, not JSON; give the file itself"),
        (written("cut", "{\"openapi\":\"3.0.0\",\"paths\":{"), 2, "it ends in the middle"),
        (written("other", "{}"), 2, "`openapi` is missing; give a spec3 file"),
        (format!("{}/page", web.url), 2, "a web page, not JSON"),
        (format!("{}/gone?token=canary", web.url), 2, "/gone`: 404; check the address"),
        (format!("{}/away", web.url), 1, "/away`: 503; try again later"),
    ];
    for (named, status, told) in cases {
        let finished = discover(&of_file(&named), folder.path()).await.expect_code(status);
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(!finished.stderr.contains("canary"), "{}", finished.stderr);
    }
}
