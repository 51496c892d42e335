//! What a program takes: time, processor and memory. A small process of its own waits for it, because the kernel counts what
//! a process had before it became that program as the program's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use wait4::Wait4;

use crate::Result;

/// The hidden command `measure`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the figures are written
    report: PathBuf,
    /// What is run
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// What a program took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// From its start to its end.
    pub seconds: f64,
    /// Of all processors, in the program and for it in the kernel.
    pub processor: f64,
    /// The most that was resident, in bytes.
    pub peak: u64,
}

/// A program to be run, with nothing of this process's environment but the PATH.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    pub variables: BTreeMap<String, String>,
}

impl Program {
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), arguments: Vec::new(), variables: BTreeMap::new() }
    }

    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Runs it, and fails where it does. Gives what it printed, too.
    pub async fn measure(&self) -> Result<(Usage, String)> {
        let report = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("measure").arg(report.path()).arg("--").arg(&self.path).args(&self.arguments);
        command.env_clear().envs(&self.variables).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let tail: Vec<_> = said.lines().rev().take(30).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            return Err(format!("{}: {}\n{}", self.path.display(), output.status, tail.join("\n")).into());
        }
        let usage = serde_json::from_slice(&std::fs::read(report.path())?)?;
        Ok((usage, String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// Runs the program, and ends as it does.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (path, arguments) = args.program.split_first().ok_or("a program is needed")?;
    let began = Instant::now();
    let child = std::process::Command::new(path).args(arguments).spawn()?;
    let used = child.wait4()?;
    let seconds = began.elapsed().as_secs_f64();
    let processor = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    let usage = Usage { seconds, processor, peak: used.rusage.maxrss };
    std::fs::write(&args.report, serde_json::to_vec(&usage)?)?;
    Ok(if used.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
