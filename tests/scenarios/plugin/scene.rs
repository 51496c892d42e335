//! kubectl with the plugin on its PATH, an operator, and a Bitbucket.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bitbucket_simulator::{Simulator, histories};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::leaks::assert_clean;
use crate::support::operator::Stage;
use crate::support::page::programs;
use crate::support::within;

pub struct Scene {
    pub stage: Stage,
    pub simulator: Simulator,
    bin: PathBuf,
}

/// What a call has printed.
#[derive(Debug)]
pub struct Printed {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Printed {
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
}

impl Scene {
    pub async fn start(theme: &str) -> Self {
        let stage = Stage::start(theme).await;
        let path = stage.folder.path().join("api.git");
        histories::linear(&path, 5).unwrap();
        let simulator = Simulator::builder()
            .user("reader", "hunter2")
            .user("second", "hunter2")
            .user("third", "hunter2")
            .repository("PLAT/api", path)
            .start()
            .await
            .unwrap();
        let bin = programs(&stage);
        Self { stage, simulator, bin }
    }

    fn kubectl(&self) -> Command {
        let mut command = Command::new(self.stage.cluster.line.bin.join("kubectl"));
        let path = format!("{}:{}:/usr/bin:/bin", self.bin.display(), self.stage.cluster.line.bin.display());
        command
            .env_clear()
            .env("PATH", path)
            .env("KUBECONFIG", &self.stage.cluster.line.kubeconfig)
            .env("HOME", self.stage.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// `kubectl bitbucket …` in the namespace of the test.
    pub async fn run(&self, arguments: &[&str]) -> Printed {
        self.spawn(arguments).await.unwrap()
    }

    /// The same, which goes on meanwhile.
    pub fn spawn(&self, arguments: &[&str]) -> JoinHandle<Printed> {
        let mut command = self.kubectl();
        command.arg("bitbucket");
        // Behind the words that are completed, it would be one of them.
        let namespace: &[&str] =
            if arguments[0] == "__complete" { &[] } else { &["--namespace", &self.stage.namespace] };
        command.args(arguments).args(namespace);
        tokio::spawn(async move { printed(&within("kubectl bitbucket", command.output()).await.unwrap()) })
    }

    /// One that is only ended by a signal.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.kubectl();
        command.arg("bitbucket").args(arguments).args(["--namespace", &self.stage.namespace]);
        command.spawn().unwrap()
    }

    /// What kubectl's own completion makes of these words, with the script that the plugin prints.
    pub async fn complete(&self, script: &str, words: &[&str]) -> Printed {
        executable(&self.bin.join("kubectl_complete-bitbucket"), script);
        let output = self.kubectl().arg("__complete").args(words).output().await.unwrap();
        printed(&output)
    }

    /// Runs a script with kubectl on its PATH, at a terminal where `answers` are typed.
    pub async fn at_terminal(&self, line: &str, answers: &str) -> Printed {
        let mut command = Command::new("script");
        let path = format!("{}:{}:/usr/bin:/bin", self.bin.display(), self.stage.cluster.line.bin.display());
        command.args(["--quiet", "--return", "--echo", "never", "--command", line, "/dev/null"]);
        command
            .env_clear()
            .env("PATH", path)
            .env("KUBECONFIG", &self.stage.cluster.line.kubeconfig)
            .env("HOME", self.stage.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(answers.as_bytes()).await.unwrap();
        let output = within("the command at the terminal", process.wait_with_output()).await.unwrap();
        drop(input);
        printed(&output)
    }
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn printed(output: &std::process::Output) -> Printed {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = Printed { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
    assert_clean("what the plugin says", &printed.err);
    printed
}
