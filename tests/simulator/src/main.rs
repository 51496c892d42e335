//! The simulator as a program: for demonstrations, benches and scripts.

use std::error::Error;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use bitbucket_simulator::{Access, Builder, NewUser, Simulator};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Answers as Bitbucket Data Center does, from real git repositories.
///
/// Prints one line of JSON with its URL when it listens. Its control door is at /_simulator/, for loopback callers only.
#[derive(Debug, Parser)]
#[command(name = "bitbucket-simulator", version, disable_version_flag = true)]
struct Flags {
    /// Where to listen; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7990")]
    listen: SocketAddr,
    /// Context path, such as /bitbucket
    #[arg(long, value_name = "PATH", default_value = "")]
    context: String,
    /// Serve a git repository, bare or not; ~user/slug is a personal one
    #[arg(long = "repository", value_name = "KEY/SLUG=PATH", value_parser = repository)]
    repositories: Vec<(String, PathBuf)>,
    /// A repository to which nothing was ever pushed
    #[arg(long = "empty", value_name = "KEY/SLUG")]
    empty: Vec<String>,
    /// A user who may read everything; the password may contain colons
    #[arg(long = "user", value_name = "NAME:PASSWORD", value_parser = pair)]
    users: Vec<(String, String)>,
    /// A user who can log in but sees nothing (projects), or sees the listing but is refused branches and commits (commits)
    #[arg(long = "user-without", value_name = "projects|commits=NAME:PASSWORD", value_parser = limited)]
    limited: Vec<(Access, String, String)>,
    /// A token of a user
    #[arg(long = "token", value_name = "NAME:TOKEN", value_parser = pair)]
    tokens: Vec<(String, String)>,
    /// The Bitbucket version to be
    #[arg(long, value_name = "VERSION", default_value = "8.19.4")]
    version: String,
    /// The largest page of commits
    #[arg(long, value_name = "N", default_value_t = 100)]
    page_limit_commits: usize,
    /// Added to every answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Keep good answers as bytes and give them again; a push is seen only after DELETE /_simulator/replies
    #[arg(long)]
    replay: bool,
    /// Pack answers (gzip) for callers that accept it
    #[arg(long)]
    compression: bool,
    /// End when standard input is closed
    #[arg(long)]
    exit_on_stdin_eof: bool,
}

fn repository(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("KEY/SLUG=PATH is needed")?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, secret) = text.split_once(':').ok_or("a colon is needed")?;
    Ok((name.to_owned(), secret.to_owned()))
}

fn limited(text: &str) -> Result<(Access, String, String), String> {
    let (what, rest) = text.split_once('=').ok_or("projects=NAME:PASSWORD or commits=NAME:PASSWORD is needed")?;
    let access = match what {
        "projects" => Access::Nothing,
        "commits" => Access::Listing,
        _ => return Err(format!("{what} is neither projects nor commits")),
    };
    pair(rest).map(|(name, password)| (access, name, password))
}

impl Flags {
    fn builder(self) -> Builder {
        let mut builder = Simulator::builder().listen(self.listen).context(&self.context).version(&self.version);
        builder = builder.configure(|settings| {
            settings.caps.commits = self.page_limit_commits.max(1);
            settings.latency_ms = self.latency;
            settings.replay = self.replay;
            settings.compression = self.compression;
        });
        for (name, password) in &self.users {
            builder = builder.user(name, password);
        }
        for (access, name, password) in &self.limited {
            builder = builder.add_user(NewUser::reader(name, password).access(*access));
        }
        for (name, token) in &self.tokens {
            builder = builder.token(name, token);
        }
        for (name, path) in self.repositories {
            builder = builder.repository(&name, path);
        }
        self.empty.iter().fold(builder, |builder, name| builder.empty_repository(name))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let until_eof = flags.exit_on_stdin_eof;
    // Before anything is printed: whoever reads the line may send a signal at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let simulator = flags.builder().start().await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::json!({"url": simulator.url()}))?;
    out.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_input(), if until_eof => {}
    }
    Ok(())
}

async fn end_of_input() {
    let (done, ended) = oneshot::channel();
    // A thread of its own: reading standard input cannot be cancelled, and must not keep the runtime from ending.
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        let mut input = std::io::stdin();
        while matches!(input.read(&mut buffer), Ok(1..)) {}
        let _ = done.send(());
    });
    let _ = ended.await;
}
