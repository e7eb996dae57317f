//! What every connector's command line does, whatever it connects to.

use serde_json::{Value, json};
use testkit::program::{Finished, Program};

use crate::connector::{ALL, Connector};

/// Every line of stdout is a message that decodes.
pub(crate) fn assert_protocol(run: &Finished) {
    for line in run.stdout.lines() {
        let line = protocol::Line::parse(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_ne!(line.kind, protocol::Kind::Unknown, "{}", line.type_name());
        let decoded = if line.kind == protocol::Kind::Record {
            line.record().map(drop)
        } else {
            line.message().map(drop)
        };
        assert!(decoded.is_ok(), "{decoded:?}");
    }
}

/// One `connection_status: failed`, one line on stderr, and the exit status.
fn assert_told(run: Finished, code: i32, says: &[&str]) {
    let run = run.expect_code(code);
    assert_protocol(&run);
    let status = &run.of_type("connection_status")[0]["connection_status"];
    assert_eq!(status["status"], "failed");
    assert_eq!(run.stderr.lines().count(), 1, "one clear line: {}", run.stderr);
    for text in says {
        assert!(run.stderr.contains(text), "`{text}` is not in: {}", run.stderr);
        assert!(status["message"].as_str().unwrap().contains(text), "{status}");
    }
}

#[tokio::test]
async fn spec_is_one_line_with_a_closed_schema_and_stays_as_it_was() {
    for name in ALL {
        let run = Program::named(name).arg("spec").run("").await.expect_code(0);
        assert_protocol(&run);
        let messages = run.messages();
        assert_eq!(messages.len(), 1);
        let config = &messages[0]["spec"]["config"];
        assert_eq!(config["type"], "object");
        assert_eq!(config["additionalProperties"], false, "unknown keys are refused");
        let path = format!("{}/fixtures/spec/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let golden: Value = serde_json::from_str(&golden).unwrap_or_default();
        let found = serde_json::to_string_pretty(&messages[0]).unwrap();
        assert_eq!(messages[0], golden, "if this is meant, {path} becomes:\n{found}");
    }
}

#[tokio::test]
async fn secrets_are_marked_write_only() {
    for (name, key) in [
        ("source-stripe", "api_key"),
        ("destination-postgres", "url"),
        ("destination-sheets", "service_account"),
        ("destination-sheets", "refresh_token"),
    ] {
        let run = Program::named(name).arg("spec").run("").await;
        let spec = &run.messages()[0]["spec"];
        assert_eq!(spec["config"]["properties"][key]["writeOnly"], true, "{name} {key}");
    }
}

#[tokio::test]
async fn help_shows_an_example_and_version_is_told() {
    for name in ALL {
        let help = Program::named(name).arg("--help").run("").await.expect_code(0);
        assert!(help.stdout.contains("Example:") && help.stdout.contains(&format!("{name} ")));
        let version = Program::named(name).arg("--version").run("").await.expect_code(0);
        assert_eq!(version.stdout.trim(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
        let completions = Program::named(name).args(["completions", "bash"]).run("").await;
        assert!(completions.expect_code(0).stdout.contains("complete"));
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_a_usage_error() {
    for name in ALL {
        let unknown = Program::named(name).arg("spec").arg("--colour").run("").await;
        assert_told(unknown, 2, &["--colour"]);
        let missing = Program::named(name).arg("check").run("").await;
        assert_told(missing, 2, &["--config"]);
        let unknown_command = Program::named(name).arg("sing").run("").await;
        assert_told(unknown_command, 2, &["sing"]);
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_told_in_one_line() {
    for name in ALL {
        let check = |config: &str| Program::named(name).args(["check", "--config", config]);
        assert_told(
            check(r#"{"colour":1}"#).run("").await,
            2,
            &["unknown key `colour`", "valid keys"],
        );
        assert_told(check("{}").run("").await, 2, &["is missing"]);
        assert_told(check("{").run("").await, 2, &["--config"]);
        assert_told(check("/no/such/file").run("").await, 2, &["/no/such/file"]);
    }
}

#[tokio::test]
async fn configuration_comes_inline_from_a_file_from_stdin_or_by_descriptor() {
    for name in ALL {
        let connector = Connector::named(name).await;
        let file = connector.file("config.json", &connector.config.to_string());
        let check = |value: &str| connector.command("check").args(["--config", value]);
        let text = connector.config.to_string();
        let by_descriptor = Program::at("/bin/sh")
            .args(["-c", r#"exec "$0" check --config /dev/fd/7 7<"$1""#])
            .arg(testkit::programs::path(name))
            .arg(&file);
        for run in [
            check(&text).run("").await,
            check(&format!("  {text}")).run("").await,
            check(file.to_str().unwrap()).run("").await,
            check("-").run(&text).await,
            by_descriptor.run("").await,
        ] {
            let run = run.expect_code(0);
            assert_protocol(&run);
            let status = &run.of_type("connection_status")[0]["connection_status"];
            assert_eq!(status["status"], "succeeded", "{name}: {status}");
        }
    }
}

#[tokio::test]
async fn a_check_that_says_no_has_answered() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let configs = [
        (
            "source-stripe",
            json!({"api_key": "sk_test_x", "api_version": "2026-01-28.clover", "base_url": format!("http://127.0.0.1:{port}")}),
            "unreachable",
        ),
        ("source-hello", json!({"names": []}), "config"),
        (
            "destination-postgres",
            json!({"url": format!("postgres://me:pw@127.0.0.1:{port}/db")}),
            "unreachable",
        ),
        ("destination-sqlite", json!({"path": "/no/such/folder/copy.db"}), "config"),
        (
            "destination-sheets",
            json!({"spreadsheet_id": "x", "access_token": "x", "base_url": format!("http://127.0.0.1:{port}")}),
            "unreachable",
        ),
        ("destination-shelf", json!({"folder": "/no/such/folder"}), "config"),
    ];
    assert_eq!(configs.len(), ALL.len());
    for (name, config, class) in configs {
        let run =
            Program::named(name).args(["check", "--config", &config.to_string()]).run("").await;
        let run = run.expect_code(0);
        let message = &run.of_type("connection_status")[0];
        assert_eq!(message["connection_status"]["status"], "failed", "{name}");
        assert_eq!(message["_class"], class, "{name}: {message}");
    }
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_fault() {
    for name in ALL {
        let program = testkit::programs::path(name);
        let line =
            format!("{} spec | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}", program.display());
        Program::at("/bin/bash").args(["-c", &line]).run("").await.expect_code(0);
    }
}
