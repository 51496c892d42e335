//! Others that copy commits from Bitbucket, each in an environment of its own with pinned versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bitbucket::{Bitbucket, PASSWORD, USER};
use crate::histories::Histories;
use crate::measure::Program;
use crate::{Result, say};

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// One of them.
pub struct Peer {
    /// As the table says it.
    pub name: String,
    /// Its script, without `.py`; None for git itself.
    script: Option<&'static str>,
    /// Whether it asks Bitbucket.
    pub asks: bool,
    environment: PathBuf,
}

/// All of them. What they need is kept in this folder.
pub fn all(cache: &Path) -> Vec<Peer> {
    let python = |script: &'static str, into: &str| {
        let pinned = std::fs::read_to_string(format!("{SCRIPTS}/{script}.txt")).unwrap_or_default();
        // The first line is what it is, the others are what that needs.
        let version =
            pinned.lines().next().and_then(|line| line.split_once("==")).map_or("", |(_, version)| version.trim());
        let name = format!("{script} {version}, {into}");
        Peer { name, script: Some(script), asks: true, environment: cache.join("peers").join(script) }
    };
    let name = "git clone without files, into text files".to_owned();
    vec![
        python("atlassian-python-api", "into SQLite"),
        python("dlt", "into DuckDB"),
        python("airbyte-cdk", "only read"),
        Peer { name, script: None, asks: false, environment: PathBuf::new() },
    ]
}

impl Peer {
    /// The same, and whether it is there: packages come from PyPI, once.
    pub fn installed(self) -> (Self, Result<()>) {
        let done = self.install();
        (self, done)
    }

    fn install(&self) -> Result<()> {
        let Some(script) = self.script else { return Ok(()) };
        let pinned = format!("{SCRIPTS}/{script}.txt");
        let (wanted, mark) = (std::fs::read_to_string(&pinned)?, self.environment.join("installed.txt"));
        if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        say!("installing {}", self.name);
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&self.environment))?;
        run(Command::new(self.environment.join("bin/pip")).args(["install", "--quiet", "-r", &pinned]))?;
        Ok(std::fs::write(mark, wanted)?)
    }

    /// Its command. What it writes goes into the folder.
    pub fn program(&self, bitbucket: &Bitbucket, histories: &Histories, folder: &Path) -> Result<Program> {
        let text = |path: &Path| path.display().to_string();
        let program = match self.script {
            Some(script) => Program::new(self.environment.join("bin/python")).arg(format!("{SCRIPTS}/{script}.py")),
            None => Program::new(format!("{SCRIPTS}/git.sh")),
        };
        let repositories = folder.join("repositories");
        // As a server has it: without, a clone takes all files as well.
        for one in histories.repositories.iter().filter(|_| self.script.is_none()) {
            run(Command::new("git").arg("-C").arg(&one.path).args(["config", "uploadpack.allowFilter", "true"]))?;
        }
        let paths: Vec<_> = histories.repositories.iter().map(|one| text(&one.path)).collect();
        std::fs::write(&repositories, paths.join("\n") + "\n")?;
        Ok(program
            .env("BITBUCKET_URL", &bitbucket.url)
            .env("BITBUCKET_USERNAME", USER)
            .env("BITBUCKET_PASSWORD", PASSWORD)
            .env("REPOSITORIES", text(&repositories))
            .env("DATABASE", text(&folder.join("database")))
            // Nothing of it is left behind, and nobody is told.
            .env("HOME", text(folder))
            .env("DLT_DATA_DIR", text(&folder.join("dlt")))
            .env("RUNTIME__DLTHUB_TELEMETRY", "false")
            .env("DO_NOT_TRACK", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1"))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().lines().last().unwrap_or("it failed").to_owned().into())
}
