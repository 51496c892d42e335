//! Every command and every manifest works as it stands there.
//!
//! What is found in a page is executed here, unless it is known who else does: what nobody knows how to execute fails.

use std::collections::BTreeSet;

use bitbucket_simulator::{Simulator, histories};
use tokio::process::Command;

use super::{CHART, Document, documents, root};
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::page::{Shell, blocks, commands, languages, spans};
use crate::support::within;

/// Who executes the commands of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// This test: with an operator and a Bitbucket.
    This,
    /// This test asks make what it would do, and does not do it.
    DryRun,
    /// The page has a test of its own, which reads it.
    Its(&'static str),
    /// `tests/chart/check.sh`, which reads all pages.
    Chart,
    /// `tests/e2e/documents.sh`, which reads all pages: it takes a Pod that runs.
    Node,
    /// Nobody, for this reason.
    Nobody(&'static str),
}

/// A command of a page.
struct Found {
    command: String,
    /// In a block; else in the text, which only this test reads.
    in_block: bool,
}

/// What the scripts look for, in blocks only: nothing else of the pages is known to them.
const CHART_BEGINNINGS: &[&str] = &["helm ", "kubectl delete "];
const NODE_BEGINNINGS: &[&str] =
    &["kubectl exec ", "kubectl logs ", "kubectl get lease ", "LEADER=", "kubectl bitbucket open"];

/// What is neither a command nor a manifest, nor `text`, which only shows something: the page, the language, and the test that reads the page.
const OTHERS: [(&str, &str, &str); 7] = [
    ("docs/queries.md", "sql", "tests/scenarios/queries.rs"),
    ("docs/queries.md", "sql sqlite", "tests/scenarios/queries.rs"),
    ("docs/queries.md", "sql postgresql", "tests/scenarios/queries.rs"),
    ("docs/deletion.md", "sql", "tests/scenarios/removal.rs"),
    ("docs/postgresql.md", "sql", "tests/scenarios/postgres.rs"),
    ("docs/gitops.md", "lua", "tests/argocd/health_test.go"),
    ("docs/data-cloud-api.md", "json", "tests/scenarios/datacloud/page.rs"),
];

fn by(page: &str, Found { command, in_block }: &Found) -> By {
    let begins = |with: &str| command.starts_with(with);
    let looked_for = |beginnings: &[&str]| *in_block && beginnings.iter().any(|with| begins(with));
    match page {
        _ if looked_for(CHART_BEGINNINGS) => By::Chart,
        _ if looked_for(NODE_BEGINNINGS) => By::Node,
        _ if begins("make ") || command.contains(" make ") => By::DryRun,
        _ if begins("docker ") || begins("cosign ") => By::Nobody("it takes a registry"),
        _ if begins("cargo install ") => By::Nobody("a release is compiled by make e2e, for the image"),
        _ if command.contains("cargo test ") => By::Nobody("it compiles what is running here"),
        "docs/kubectl.md" => By::Its("tests/scenarios/plugin/page.rs"),
        "docs/webhooks.md" => By::Its("tests/scenarios/webhook/page.rs"),
        "docs/data-cloud-api.md" => By::Its("tests/scenarios/datacloud/page.rs"),
        _ => By::This,
    }
}

/// The commands of a page: its blocks without a language, and what in its text has flags.
fn found(document: &Document) -> Vec<Found> {
    let in_blocks = blocks(&document.text, "").into_iter().flat_map(|block| commands(&block));
    let in_text = spans(&document.text).into_iter().filter(|span| {
        let begins = ["kubectl ", "bitbucket-connector "].iter().any(|with| span.starts_with(with));
        begins && span.contains(" -") && !span.starts_with("kubectl bitbucket")
    });
    let in_text = in_text.map(|span| Found { command: span.replace("\\|", "|"), in_block: false });
    in_blocks.map(|command| Found { command, in_block: true }).chain(in_text).collect()
}

/// A page as its reader would have it who has this Bitbucket and this connection.
fn filled_in(command: &str, url: &str, namespace: &str) -> String {
    command
        .replace("--namespace bitbucket-connector", &format!("--namespace {namespace}"))
        .replace("https://bitbucket.example.com/bitbucket", url)
        .replace("https://bitbucket.example.com", url)
        .replace("{project_key}", "PLAT")
        .replace("{repo_slug}", "api")
        .replace("YOUR_USERNAME:YOUR_PASSWORD", "reader:hunter2")
        .replace("bbc NAME", "bbc bitbucket")
        // All tests share the API server.
        .replace("--server-side", "--server-side --dry-run=server --force-conflicts")
        // An answer that says no would count as one.
        .replace("curl -i", "curl --fail-with-body -i")
        .replace(
            "--concurrency 4 …",
            &format!("--concurrency 4 --url {url} --token-file TOKEN --database sqlite://x.db"),
        )
}

struct Scene {
    stage: Stage,
    simulator: Simulator,
    shell: Shell,
}

impl Scene {
    async fn start(theme: &str) -> Self {
        let stage = Stage::start(theme).await;
        let path = stage.folder.path().join("api.git");
        histories::linear(&path, 5).unwrap();
        let simulator = Simulator::builder()
            .user("reader", "hunter2")
            .token("reader", "tok-hunter2")
            .repository("PLAT/api", path)
            .start()
            .await
            .unwrap();
        let shell = Shell::new(&stage);
        for (file, text) in [("NAME", "reader"), ("PASSWORD", "hunter2"), ("TOKEN", "tok-hunter2")] {
            std::fs::write(shell.home().join(file), text).unwrap();
        }
        std::fs::write(shell.home().join("FILE"), connection("another", &simulator.url(), "bitbucket", "")).unwrap();
        for (name, password) in [("bitbucket", "hunter2"), ("wrong-password", "wrong-hunter2")] {
            stage.apply(&secret(name, "reader", password));
            stage.apply(&connection(name, &simulator.url(), name, ""));
        }
        stage.until_ready("bitbucket", "True", "Synced").await;
        stage.until_ready("wrong-password", "False", "invalid_credentials").await;
        Self { stage, simulator, shell }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_says() {
    let scene = Scene::start("documents").await;
    let (mut tried, mut failed) = (0, Vec::new());
    for document in documents() {
        for found in found(&document) {
            if by(&document.path, &found) != By::This {
                continue;
            }
            let command = found.command;
            let printed = scene.shell.run(&filled_in(&command, &scene.simulator.url(), &scene.stage.namespace)).await;
            // Of the demo, where a password is wrong on purpose.
            let expected = if command.starts_with("kubectl bitbucket verify wrong-password") { 3 } else { 0 };
            if printed.code != Some(expected) {
                failed.push(format!("{}: {command}: {printed:?}", document.path));
            }
            tried += 1;
        }
    }
    assert!(failed.is_empty() && tried > 15, "{tried} tried, of which failed: {failed:#?}");
}

#[tokio::test]
async fn make_knows_every_target_that_is_named() {
    let mut tried = 0;
    for document in documents() {
        for Found { command, .. } in found(&document).iter().filter(|found| by(&document.path, found) == By::DryRun) {
            let mut bash = Command::new("bash");
            // Of the make that runs this test it must know nothing.
            bash.args(["-c", &command.replace("make ", "make --dry-run ")])
                .env_remove("MAKEFLAGS")
                .env_remove("MAKELEVEL");
            let output = within(command, bash.current_dir(root()).output()).await.unwrap();
            assert!(
                output.status.success(),
                "{}: {command}: {}",
                document.path,
                String::from_utf8_lossy(&output.stderr)
            );
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_manifest() {
    let stage = Stage::without_operator("documents-manifests").await;
    let shell = Shell::new(&stage);
    stage.apply(&connection("mine", "https://bitbucket.example.com", "bitbucket", ""));
    let mut tried = 0;
    for document in documents() {
        for (place, manifest) in blocks(&document.text, "yaml").iter().enumerate() {
            let file = shell.home().join("manifest.yaml");
            std::fs::write(&file, manifest).unwrap();
            let command = if manifest.contains("\nkind: ") {
                "kubectl apply --dry-run=server --warnings-as-errors --filename manifest.yaml"
            } else if manifest.starts_with("spec:") {
                "kubectl patch bbc mine --type=merge --dry-run=server --patch-file manifest.yaml"
            } else {
                // Values of the chart, which the chart's own test takes, and what Argo CD is told.
                assert!(
                    [CHART, "docs/metrics.md", "docs/logs.md", "docs/gitops.md"].contains(&&*document.path),
                    "{manifest}"
                );
                continue;
            };
            let printed = shell.run(command).await;
            assert_eq!(printed.code, Some(0), "{}, {place}: {printed:?}", document.path);
            tried += 1;
        }
    }
    for example in std::fs::read_dir(root().join("examples")).unwrap() {
        stage.kubectl(&["apply", "--dry-run=server", "-f", example.unwrap().path().to_str().unwrap()]);
        tried += 1;
    }
    assert!(tried > 8, "{tried}");
}

#[test]
fn whoever_executes_a_page_reads_it() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    for document in documents() {
        for found in found(&document) {
            if let By::Its(test) = by(&document.path, &found) {
                assert!(read(test).contains(&document.path), "{test} does not read {}", document.path);
            }
        }
        let others = OTHERS.iter().filter(|(page, ..)| *page == document.path).map(|(_, language, _)| *language);
        let read: BTreeSet<_> = others.chain(["", "yaml", "text"]).map(|language| Some(language.to_owned())).collect();
        let unread: Vec<_> =
            languages(&document.text).into_iter().filter(|language| !read.contains(language)).collect();
        assert!(unread.is_empty(), "{}: who executes {unread:?}?", document.path);
    }
    for (page, language, test) in OTHERS {
        assert!(!blocks(&read(page), language).is_empty(), "{page} has no {language}");
        assert!(read(test).contains(page), "{test} does not read {page}");
    }
    let (chart, node) = (read("tests/chart/check.sh"), read("tests/e2e/e2e.sh") + &read("tests/e2e/documents.sh"));
    for (script, beginnings) in [(chart, CHART_BEGINNINGS), (node, NODE_BEGINNINGS)] {
        for beginning in beginnings {
            assert!(script.contains(&format!("\"{beginning}\"")), "no script looks for {beginning}");
        }
    }
}
