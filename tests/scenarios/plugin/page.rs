//! docs/kubectl.md, executed as it stands there.

use super::scene::Scene;
use crate::support::leaks::assert_clean;
use crate::support::page::{Shell, blocks, commands};

const PAGE: &str = include_str!("../../../docs/kubectl.md");

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_does_what_it_says() {
    let scene = Scene::start("plugin-page").await;
    let shell = Shell::new(&scene.stage);
    std::fs::write(shell.home().join("password.txt"), "hunter2\n").unwrap();
    let at_simulator = |command: &str| {
        command
            .replace("https://bitbucket.example.com", &scene.simulator.url())
            .replace("--username svc", "--username reader")
    };
    // Installing it takes a release build, of which the tests have none.
    let all: Vec<String> = blocks(PAGE, "")
        .iter()
        .flat_map(|block| commands(block))
        .filter(|command| !command.starts_with("cargo install"))
        .collect();
    assert!(all.len() >= 4, "{all:?}");
    for command in all {
        let printed = shell.run(&at_simulator(&command)).await;
        assert_eq!(printed.code, Some(0), "{command}: {printed:?}");
        if command.starts_with("kubectl bitbucket create") {
            scene.stage.until_ready("bitbucket", "True", "Synced").await;
        }
    }
    let report = std::fs::read_to_string(shell.home().join("report.txt")).unwrap();
    assert!(report.contains("reason: Synced"), "{report}");
    assert_clean("a report", report);
    assert!(shell.home().join(".local/bin/kubectl_complete-bitbucket").exists());

    // The commands of the table.
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `kubectl bitbucket "));
    let mut tried = 0;
    for row in rows {
        let command = row.split('`').next().unwrap();
        // The other one serves until a signal comes.
        if command.starts_with("create") || command.starts_with("open") {
            continue;
        }
        let command = format!("kubectl bitbucket {command}")
            .replace("NAME…", "bitbucket")
            .replace("NAME", "bitbucket")
            .replace(['[', ']'], "");
        let printed = shell.run(&command).await;
        assert_eq!(printed.code, Some(0), "{command}: {printed:?}");
        tried += 1;
    }
    assert!(tried >= 7, "{tried}");
}
