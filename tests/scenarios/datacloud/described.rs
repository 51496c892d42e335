//! The API's own description of itself, held against what it does by a program that knows nothing else of it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::scene::{EVERYTHING, Scene};
use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};
use crate::support::visitor::cached;

fn description() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/datacloud/openapi.yaml")
}

/// As tests/ensure-tools.sh has installed it.
fn schemathesis() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let sum = Command::new("sha256sum").arg(root.join("tests/openapi/requirements.txt")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    cached(&format!("schemathesis-{}/bin/schemathesis", &sum[..12]))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_is_given_the_description() {
    let scene = Scene::start("datacloud-openapi").await;
    let url = format!("https://localhost:{}/api/openapi.yaml", scene.address.port());
    let answer = scene.http.get(url).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (200, "application/yaml")
    );
    let text = answer.text().await.unwrap();
    assert!(text == std::fs::read_to_string(description()).unwrap(), "it is another one: {text}");
    // What is posted to any method may be a form.
    let all: Value = serde_saphyr::from_str(&text).unwrap();
    let posts: Vec<&Value> = all["paths"].as_object().unwrap().values().map(|path| &path["post"]).collect();
    let posts: Vec<_> = posts.into_iter().filter(|post| !post.is_null()).collect();
    assert_eq!(posts.len(), 6);
    for post in posts {
        let body = post["requestBody"]["$ref"].as_str().unwrap().trim_start_matches('#');
        let kinds: Vec<_> = all.pointer(body).unwrap()["content"].as_object().unwrap().keys().collect();
        assert_eq!(kinds, ["application/json", "application/x-www-form-urlencoded"], "{post}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_answers_are_as_the_description_says() {
    let scene = Scene::start("datacloud-described").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let id = caller.connection("a").await;
    let config = scene.stage.folder.path().join("schemathesis.toml");
    // 503 is described: on a busy machine the API server may not answer in time.
    let checks = "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", 503]\n";
    let known =
        format!("[parameters]\n\"path.connection_id\" = {id}\n\"query.namespace\" = \"{}\"\n", scene.stage.namespace);
    std::fs::write(&config, known + checks).unwrap();
    let mut command = Command::new(schemathesis());
    command.arg("--config-file").arg(config).arg("run");
    command.arg(description());
    command.args(["--url", &format!("https://localhost:{}/api", scene.address.port())]);
    command.arg("--tls-verify").arg(scene.stage.folder.path().join("ca.crt"));
    command.args(["--header", &format!("Authorization: Bearer {}", caller.token)]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1", "--no-shrink"]);
    // How fast it makes up calls is the machine's matter.
    command.args(["--suppress-health-check", "too_slow", "--request-timeout", "60"]);
    // What fits the description may still be refused: a password that is wrong, an id that is nobody's.
    // DX answers 422 where others answer 401: that nobody comes in without a token is looked at in `refused`.
    command.args(["--exclude-checks", "positive_data_acceptance,ignored_auth,missing_required_header"]);
    command.current_dir(scene.stage.folder.path());
    let output =
        tokio::task::spawn_blocking(move || command.output().expect("schemathesis is installed")).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_clean("what schemathesis was answered", &printed);
    if !output.status.success() {
        // Without the operator's log, which would come after what was found, and is long: that names the calls.
        drop(scene);
        panic!("{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
