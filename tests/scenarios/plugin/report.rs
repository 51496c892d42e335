//! `report`: enough to help, and no more.

use super::scene::Scene;
use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_how_it_is_and_not_whose() {
    let scene = Scene::start("plugin-report").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    let url = scene.simulator.url().replace("127.0.0.1", "localhost");
    scene.stage.apply(&connection("a", &url, "s", ", import: {mode: Allowlist, repositories: [PLAT/api]}"));
    scene.stage.apply(&connection("b", &scene.simulator.url(), "none", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    scene.stage.until_ready("b", "False", "SecretNotFound").await;
    let report = scene.run(&["report"]).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_clean("a report", &report.out);
    for text in [
        "kubectl-bitbucket 0.1.0",
        "API server v1.",
        "reason: Synced",
        "reason: SecretNotFound",
        "user-1",
        "host-1",
        "project-1/repository-1",
        "== Events",
        "== Operator",
    ] {
        assert!(report.out.contains(text), "{text}: {}", report.out);
    }
    for name in ["reader", "localhost", "PLAT"] {
        assert!(!report.out.contains(name), "{name}: {}", report.out);
    }
    let one = scene.run(&["report", "b", "--no-redaction"]).await;
    assert!(one.out.contains("127.0.0.1") && !one.out.contains("localhost"), "{one:?}");
}
