//! The commands as a person or a script calls them: output and exit codes.

use std::process::Output;

use bitbucket_simulator::{Access, NewUser, Simulator, histories};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::leaks::assert_clean;
use crate::support::program::connector;
use crate::support::tls::{Authority, Flaw, proxy};

struct Desk {
    simulator: Simulator,
    folder: TempDir,
}

impl Desk {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.git");
        histories::linear(&path, 5).unwrap();
        let simulator = Simulator::builder()
            .context("/bitbucket")
            .user("reader", "a:b #@/%ühunter2 ")
            .add_user(NewUser::reader("lister", "hunter2").access(Access::Listing))
            .add_user(NewUser::reader("stranger", "hunter2").access(Access::Nothing))
            .token("reader", "tok-hunter2")
            .repository("PLAT/api", path)
            .empty_repository("PLAT/empty")
            .start()
            .await
            .unwrap();
        Self { simulator, folder }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Calls the command, with these variables only. No secret may be in what it prints.
    async fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = connector();
        command.args(arguments).envs(variables.iter().copied());
        let output = crate::support::within("the command's end", command.output()).await.unwrap();
        assert_clean("standard output", &output.stdout);
        assert_clean("standard error", &output.stderr);
        output
    }

    /// `verify --output json` with a user name and a password from files.
    async fn verify(&self, username: &str, password: &str, more: &[&str]) -> (i32, Value) {
        let (name, word) = (self.file("name", &format!("{username}\n")), self.file("word", &format!("{password}\n")));
        let url = self.simulator.url();
        let own = ["verify", "--url", &url, "--username-file", &name, "--password-file", &word, "--output", "json"];
        let output = self.call(&[&own, more].concat(), &[]).await;
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_by_its_exit_code_what_is_wrong() {
    let desk = Desk::start().await;
    let (code, report) = desk.verify("reader", "a:b #@/%ühunter2 ", &[]).await;
    assert_eq!(code, 0);
    let url = desk.simulator.url();
    let curl = report["curl"].clone();
    assert_eq!(
        report,
        json!({
            "verified": true,
            "reason": "Verified",
            "message": "The credentials are valid and commits can be read.",
            "username": "reader",
            "serverVersion": "8.19.4",
            "repositories": 2,
            "curl": curl
        })
    );
    let commits = format!(
        "curl -i -u YOUR_USERNAME:YOUR_PASSWORD -H 'Accept: application/json' '{url}/rest/api/1.0/projects/PLAT/repos/api/commits?limit=1'"
    );
    assert_eq!(curl[2], commits);

    for (username, password, more, code, reason) in [
        ("reader", "wrong-hunter2", &[][..], 3, "invalid_credentials"),
        ("lister", "hunter2", &[], 4, "invalid_permissions"),
        ("stranger", "hunter2", &[], 5, "no_resources"),
        ("reader", "a:b #@/%ühunter2 ", &["--project", "OTHER"], 5, "no_resources"),
        ("reader", "a:b #@/%ühunter2 ", &["--repository", "plat/API"], 0, "Verified"),
    ] {
        let (exit, report) = desk.verify(username, password, more).await;
        assert_eq!((exit, report["reason"].as_str()), (code, Some(reason)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_takes_credentials_from_the_environment_and_urls_as_they_are_pasted() {
    let desk = Desk::start().await;
    let pasted = format!("{}/rest/api/1.0/", desk.simulator.url());
    let output = desk.call(&["verify", "--url", &pasted], &[("BITBUCKET_TOKEN", "tok-hunter2")]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("Verified: "), "{text}");
    assert!(text.contains("Bearer YOUR_TOKEN"), "{text}");
    let elsewhere = format!("{}/nowhere", desk.simulator.url());
    let output =
        desk.call(&["verify", "--url", &elsewhere, "--output", "json"], &[("BITBUCKET_TOKEN", "tok-hunter2")]).await;
    assert_eq!(output.status.code(), Some(6));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["reason"], &report["username"]), (&json!("InvalidURL"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_before_the_first_request_is_a_usage_error() {
    let desk = Desk::start().await;
    let url = desk.simulator.url();
    let (name, word) = (desk.file("name", "reader"), desk.file("word", "hunter2"));
    let (empty, text) = (desk.file("empty", "\n"), desk.file("text", "no certificate"));
    let missing = desk.folder.path().join("missing").display().to_string();
    let files = ["--username-file", &name, "--password-file", &word];
    let authorities = format!("postgres://u:hunter2@localhost/x?sslrootcert={missing}");
    let calls: [&[&str]; 19] = [
        &["verify"],
        &["verify", "--url", &url],
        &["verify", "--url", &url, "--password=hunter2"],
        &[&["verify", "--url", "ftp://git.example.com"][..], &files].concat(),
        &[&["verify", "--url", "https://u:hunter2@git.example.com"][..], &files].concat(),
        &["verify", "--url", &url, "--token-file", &missing],
        &["verify", "--url", &url, "--token-file", &empty],
        &["verify", "--url", &url, "--username-file", &name],
        &[&["verify", "--url", &url, "--ca-file", &text][..], &files].concat(),
        &[&["verify", "--url", &url, "--proxy", "proxy:1"][..], &files].concat(),
        &[&["verify", "--url", &url, "--timeout", "soon"][..], &files].concat(),
        &[&["verify", "--url", &url, "--proxy", "http://u:hunter2@localhost:1"][..], &files].concat(),
        &["query", "--database", "mysql://u:hunter2@localhost/x", "SELECT 1"],
        &["run", "--database", "postgres://u:hunter2@/x"],
        &["query", "--database", "postgres://u:hunter2@localhost/x?sslmode=hunter2", "SELECT 1"],
        &["query", "--database", "postgres://u:p@hunter2@localhost/x", "SELECT 1"],
        &["query", "--database", &authorities, "SELECT 1"],
        &["query", "--database", "postgres://u:hunter2@localhost/x", "--schema", "pg_x", "SELECT 1"],
        &["query", "--database", "sqlite://x", "--schema", "x", "SELECT 1"],
    ];
    for arguments in calls {
        let output = desk.call(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(desk.simulator.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_with_secrets_are_not_repeated() {
    let desk = Desk::start().await;
    let (address, mut told) = proxy(desk.simulator.address()).await;
    let (url, proxy) = (desk.simulator.url(), format!("http://u:hunter2@{address}"));
    let variables = [
        ("BITBUCKET_URL", "https://u:hunter2@git.example.com"),
        ("BITBUCKET_USERNAME", "reader"),
        ("BITBUCKET_PASSWORD", "hunter2"),
        ("BITBUCKET_CONNECTOR_DATABASE", "postgres://u:hunter2@localhost/x?sslmode=hunter2"),
        ("HTTP_PROXY", &proxy),
        ("HTTPS_PROXY", &proxy),
    ];
    for (arguments, code) in [
        (&["verify", "--help"][..], 0),
        (&["query", "--help"], 0),
        (&["run", "--help"], 0),
        (&["verify"], 2),
        (&["query", "SELECT 1"], 2),
        (&["run"], 2),
        (&["verify", "--url", &url], 3),
    ] {
        let output = desk.call(arguments, &variables).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(told.recv().await.unwrap().is_some_and(|login| login.starts_with("Basic ")), "the proxy is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn query_reads_and_never_writes() {
    let desk = Desk::start().await;
    let database = format!("sqlite://{}", desk.folder.path().join("commits.db").display());
    let query = async |sql: &str| desk.call(&["query", "--database", &database, "--output", "csv", sql], &[]).await;
    assert_eq!(query("SELECT 1").await.status.code(), Some(6), "there is no database yet");
    bitbucket_connector::destination::Destination::open(&database.parse().unwrap()).await.unwrap();
    let output = query("SELECT 1 AS a, 'x,y' AS b").await;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "a,b\n1,\"x,y\"\n");
    let copy = desk.folder.path().join("copy.db");
    let (vacuum, attach) = (format!("VACUUM INTO '{}'", copy.display()), format!("ATTACH '{}' AS x", copy.display()));
    for sql in [
        "DELETE FROM bitbucket_connections",
        "DELETE FROM bitbucket_connections RETURNING id",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "PRAGMA user_version = 7",
        "PRAGMA journal_mode = DELETE",
        "VACUUM",
        &vacuum,
        &attach,
        "SELECT 1; DELETE FROM bitbucket_connections",
        "SELEC 1",
    ] {
        assert_eq!(query(sql).await.status.code(), Some(6), "{sql}");
    }
    // These only say how this one query is run.
    for sql in ["PRAGMA writable_schema = ON", "PRAGMA query_only = OFF", "PRAGMA user_version"] {
        assert_eq!(query(sql).await.status.code(), Some(0), "{sql}");
    }
    let left: Vec<_> = std::fs::read_dir(desk.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!copy.exists(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_query_ends() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("commits.db").display());
    bitbucket_connector::destination::Destination::open(&database.parse().unwrap()).await.unwrap();
    // It has no end of its own.
    let sql = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n";
    let child = connector().args(["query", "--database", &database, sql]).spawn().unwrap();
    let id = child.id().unwrap();
    // Signals are waited for from the beginning, and the query runs on another thread than that.
    let busy = async || {
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
        let seconds =
            |stat: String| stat.rsplit_once(") ").unwrap().1.split(' ').nth(11).unwrap().parse::<u64>().unwrap();
        threads
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok())
            .map(seconds)
            .any(|s| s > 20)
    };
    crate::support::until("the query to run", busy).await;
    assert!(std::process::Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap().success());
    let output = crate::support::within("the command's end", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(130));
}

/// As the chart's `trustedCA` does it: the image has its authorities in one file of `/etc/ssl/certs`.
#[tokio::test(flavor = "multi_thread")]
async fn authorities_can_be_added_to_those_of_the_machine() {
    let desk = Desk::start().await;
    let folder = desk.folder.path().join("certs");
    std::fs::create_dir(&folder).unwrap();
    let (public, own) = (Authority::new(), Authority::new());
    std::fs::write(folder.join("ca-certificates.crt"), public.pem()).unwrap();
    let own_file = desk.file("ca.crt", &own.pem());
    let machine = ("SSL_CERT_DIR", folder.to_str().unwrap());
    for (authority, variables, code) in [
        (&public, &[machine, ("SSL_CERT_FILE", &own_file)][..], 0),
        (&own, &[machine, ("SSL_CERT_FILE", &own_file)], 0),
        (&own, &[machine], 6),
    ] {
        let front = authority.front(desk.simulator.address(), Flaw::None).await;
        let url = format!("https://localhost:{}/bitbucket", front.port());
        let variables = [variables, &[("BITBUCKET_TOKEN", "tok-hunter2")]].concat();
        let output = desk.call(&["verify", "--url", &url], &variables).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert_eq!(code != 0, text.contains("authority that is not trusted"), "{text}");
    }
}
