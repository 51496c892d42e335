//! A PostgreSQL of the bench's own: this machine's programs, as an unprivileged user, with their own settings but for a larger
//! cache and log.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

use crate::Result;

const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=50",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
];

/// A running server. It ends with this, and its data too.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    user: Option<(u32, u32)>,
    databases: AtomicU32,
}

impl Postgres {
    pub fn start() -> Result<Self> {
        let user = unprivileged()?;
        let folder = tempfile::Builder::new().prefix("bitbucket-bench-").tempdir()?;
        chown(folder.path(), user.map(|user| user.0), user.map(|user| user.1))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { folder, port, user, databases: AtomicU32::new(0) };
        // Only this machine's users reach it, and nothing of theirs is in it.
        server.run("initdb", &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])?;
        let options = format!("-p {port} -c {}", SETTINGS.join(" -c "));
        let log = server.folder.path().join("log").display().to_string();
        server.run("pg_ctl", &["start", "-w", "-s", "-l", &log, "-o", &options])?;
        Ok(server)
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let program = program(name)?;
        let mut command = std::process::Command::new(&program);
        if let Some((user, group)) = self.user {
            command = std::process::Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(&program);
        }
        // A pipe that the server inherits would be waited for until it ends.
        let errors = self.folder.path().join("errors");
        let file = std::fs::File::create(&errors)?;
        command.arg("-D").arg(self.folder.path().join("data")).args(arguments).current_dir("/");
        let done = command.stdin(std::process::Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
        if done.success() {
            return Ok(());
        }
        Err(format!("{name}: {}", std::fs::read_to_string(errors).unwrap_or_default()).into())
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres:none@127.0.0.1:{}/{database}", self.port)
    }

    /// A login to a database.
    pub async fn client(&self, database: &str) -> Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A new database with the schema `bitbucket`: its name and its URL.
    pub async fn database(&self) -> Result<(String, String)> {
        let name = format!("bench_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.client("postgres").await?.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        self.client(&name).await?.batch_execute("CREATE SCHEMA bitbucket").await?;
        // What was written before is no cost of what comes.
        self.client(&name).await?.batch_execute("CHECKPOINT").await?;
        let url = self.url(&name);
        Ok((name, url))
    }

    pub async fn remove(&self, name: &str) -> Result<()> {
        let sql = format!("DROP DATABASE {name} WITH (FORCE)");
        Ok(self.client("postgres").await?.batch_execute(&sql).await?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["stop", "-w", "-s", "-m", "immediate"]);
    }
}

/// User and group that the server runs as: it refuses to run as root.
fn unprivileged() -> Result<Option<(u32, u32)>> {
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let number = |flag: &str, name: &str| -> Option<u32> {
        let output = std::process::Command::new("id").args([flag, name]).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    Ok(["postgres", "nobody"].iter().find_map(|name| Some((number("-u", name)?, number("-g", name)?))))
}

/// One of the server's programs, which Debian does not put on the PATH.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debians: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    debians.sort();
    let mut folders = std::env::split_paths(&path).chain(debians.into_iter().rev());
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|program: &PathBuf| Path::exists(program)));
    found.ok_or_else(|| format!("{name} is not installed: tests/ensure-tools.sh does that").into())
}
