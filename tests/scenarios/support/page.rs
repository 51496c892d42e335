//! Commands and manifests of a page of docs/, to be executed as they stand there.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};
use tokio::process::Command;

use super::operator::Stage;
use super::within;

/// The fenced blocks of a page in this language; "" are commands.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), None);
    for event in Parser::new(page) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(of))) if *of == *language => open = Some(String::new()),
            Event::Text(text) => open.iter_mut().for_each(|block| block.push_str(&text)),
            Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
            _ => {}
        }
    }
    found
}

/// The languages of a page's blocks; None is that of a block that is only indented.
pub fn languages(page: &str) -> BTreeSet<Option<String>> {
    let blocks = Parser::new(page).filter_map(|event| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(of))) => Some(Some(of.into_string())),
        Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => Some(None),
        _ => None,
    });
    blocks.collect()
}

/// What stands in a page's text as code.
pub fn spans(page: &str) -> Vec<String> {
    let spans = Parser::new_ext(page, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Code(text) => Some(text.into_string()),
        _ => None,
    });
    spans.collect()
}

/// The commands of a block, each with the lines that belong to it.
pub fn commands(block: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match found.last_mut().filter(|_| goes_on) {
            Some(command) => *command = format!("{command}\n{line}"),
            None => found.push(line.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// What a shell has printed.
#[derive(Debug)]
pub struct Printed {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A folder of the stage with the programs that people have.
pub fn programs(stage: &Stage) -> PathBuf {
    let bin = stage.folder.path().join("bin");
    if std::fs::create_dir(&bin).is_ok() {
        for program in [env!("CARGO_BIN_EXE_bitbucket-connector"), env!("CARGO_BIN_EXE_kubectl-bitbucket")] {
            symlink(program, bin.join(Path::new(program).file_name().unwrap())).unwrap();
        }
    }
    bin
}

/// A person's shell: kubectl, whose context names the namespace of the stage, and our programs.
pub struct Shell {
    path: String,
    home: PathBuf,
    variables: Vec<(String, String)>,
}

impl Shell {
    pub fn new(stage: &Stage) -> Self {
        let (home, bin) = (stage.folder.path().join("home"), programs(stage));
        for folder in [&home.join(".kube"), &home.join(".local/bin")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let mut config: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&stage.cluster.line.kubeconfig).unwrap()).unwrap();
        for context in config["contexts"].as_array_mut().unwrap() {
            context["context"]["namespace"] = json!(stage.namespace);
        }
        std::fs::write(home.join(".kube/config"), config.to_string()).unwrap();
        let path = format!("{}:{}:/usr/local/bin:/usr/bin:/bin", bin.display(), stage.cluster.line.bin.display());
        Self { path, home, variables: Vec::new() }
    }

    /// Where commands run.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A variable that all further commands see.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Runs a command.
    pub async fn run(&self, command: &str) -> Printed {
        let mut bash = Command::new("bash");
        bash.args(["-c", command]).current_dir(&self.home).env_clear().env("PATH", &self.path).env("HOME", &self.home);
        bash.envs(self.variables.iter().cloned());
        bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = within(command, bash.output()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Printed { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}
