use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bitbucket_simulator::histories;
use serde_json::Value;

use crate::support::{client, send, soon};

fn start(arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitbucket-simulator"));
    command.args(["--listen", "127.0.0.1:0", "--context", "/bitbucket"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    (child, line["url"].as_str().unwrap().to_owned())
}

fn wait(mut child: Child) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    false
}

#[tokio::test]
async fn flags_make_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let git = histories::linear(directory.path().join("api"), 9).unwrap();
    let repository = format!("PLAT/api={}", git.path().display());
    let (child, url) = start(&[
        "--repository",
        &repository,
        "--empty",
        "PLAT/empty",
        "--user",
        "ada:pass:hunter2",
        "--user-without",
        "projects=bob:b-hunter2",
        "--user-without",
        "commits=eve:e=hunter2",
        "--token",
        "ada:tok-hunter2",
        "--version",
        "9.4.0",
        "--page-limit-commits",
        "4",
        "--latency",
        "1",
    ]);
    assert!(url.ends_with("/bitbucket"));
    let get = |user: &'static str, password: &'static str, path: &str| {
        send(client().get(format!("{url}/rest/api/1.0{path}")).basic_auth(user, Some(password)))
    };
    let commits = "/projects/PLAT/repos/api/commits";
    assert_eq!(soon(get("ada", "pass:hunter2", commits)).await.json()["nextPageStart"], 4);
    assert_eq!(soon(get("ada", "tok-hunter2", "/application-properties")).await.json()["version"], "9.4.0");
    assert_eq!(soon(get("ada", "tok-hunter2", "/repos")).await.values("slug"), ["api", "empty"]);
    assert_eq!(soon(get("bob", "b-hunter2", "/repos")).await.json()["size"], 0);
    assert_eq!(soon(get("eve", "e=hunter2", "/repos")).await.json()["size"], 2);
    assert_eq!(soon(get("eve", "e=hunter2", commits)).await.status, 401);
    let signal = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(signal.success() && wait(child));
}

#[tokio::test]
async fn the_end_of_input_is_the_end() {
    let (mut child, url) = start(&["--exit-on-stdin-eof"]);
    assert_eq!(send(client().get(format!("{url}/status"))).await.status, 200);
    drop(child.stdin.take());
    assert!(wait(child));
    // Without the flag, nothing is read.
    let (mut child, url) = start(&[]);
    drop(child.stdin.take());
    assert_eq!(send(client().get(format!("{url}/status"))).await.status, 200);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn mistakes_are_told() {
    for arguments in [
        &["--repository", "api"][..],
        &["--user", "ada"],
        &["--user-without", "x=a:hunter2"],
        &["--token", "no:tok-hunter2"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_bitbucket-simulator"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty() && !output.stderr.is_empty(), "{}", arguments[0]);
    }
}
