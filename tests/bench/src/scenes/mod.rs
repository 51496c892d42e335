//! What is measured, one file a scene.

mod first;
mod growth;
mod latency;
mod limited;
mod peers;
mod unchanged;

use std::path::PathBuf;
use std::process::ExitCode;

use bitbucket_test_postgres::{Server, Setup, started};

use crate::bitbucket::Bitbucket;
use crate::connector::{Database, Kind, Login, check_said, sync};
use crate::flags::{Flags, Scene, Size};
use crate::histories::Histories;
use crate::measure::Program;
use crate::report::{Report, Taken};
use crate::{Result, document, say};

/// What all scenes need.
pub struct Bench {
    pub size: Size,
    pub connector: PathBuf,
    simulator: PathBuf,
    /// Kept from one time to the next.
    pub cache: PathBuf,
    temporary: tempfile::TempDir,
    postgres: &'static Server,
}

/// Measures all that is wanted, and says and writes what was found.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let machine = machine()?;
    let bench = Bench::new(&flags).await?;
    let postgres: String = bench.postgres.admin("postgres").await.query_one("SHOW server_version", &[]).await?.get(0);
    let machine = format!("{machine}; PostgreSQL {postgres}; {}; {}.", revision(), flags.kind());
    let mut report = Report::default();
    let done = all(&bench, &flags, &mut report).await;
    // Also what was measured before something failed.
    println!("{}", report.markdown(&machine));
    done?;
    if let Some(document) = flags.document() {
        document::write(&document, &report.markdown(&machine), &report)?;
        say!("written into {}", document.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn all(bench: &Bench, flags: &Flags, report: &mut Report) -> Result<()> {
    if flags.wants(Scene::First) {
        first::run(bench, report).await?;
    }
    if flags.wants(Scene::Latency) {
        latency::run(bench, report).await?;
    }
    if flags.wants(Scene::Unchanged) {
        unchanged::run(bench, report).await?;
    }
    if flags.wants(Scene::Incremental) {
        unchanged::incremental(bench, report).await?;
    }
    if flags.wants(Scene::Limited) {
        limited::run(bench, report).await?;
    }
    if flags.wants(Scene::Growth) {
        growth::run(bench, report).await?;
    }
    if flags.wants(Scene::Peers) {
        peers::run(bench, report).await?;
    }
    Ok(())
}

/// What is measured.
fn revision() -> String {
    let git = std::process::Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let revision = git.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    format!("revision {}", if revision.is_empty() { "unknown" } else { revision.trim() })
}

/// What it is measured on, and what else it has to do: figures of a busy machine are none.
fn machine() -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let model = value(&read("/proc/cpuinfo"), "model name");
    let memory: u64 = value(&read("/proc/meminfo"), "MemTotal").split(' ').next().unwrap_or_default().parse()?;
    let cores = std::thread::available_parallelism()?;
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    Ok(format!("Measured on {cores} cores ({model}) with {} GiB, load {load} before it began", memory >> 20))
}

/// A server as it comes, but for a larger cache and log.
async fn postgres() -> &'static Server {
    let settings = vec!["fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB"];
    started(Setup { settings, ..Setup::default() }).await.0
}

impl Bench {
    async fn new(flags: &Flags) -> Result<Self> {
        let beside = |name: &str| -> Result<PathBuf> {
            let path = std::env::current_exe()?.with_file_name(name);
            if path.exists() { Ok(path) } else { Err(format!("{} is missing: make bench", path.display()).into()) }
        };
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = cache.or_else(home).ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
        Ok(Self {
            size: flags.size(),
            connector: beside("bitbucket-connector")?,
            simulator: beside("bitbucket-simulator")?,
            cache: cache.join("bitbucket-connector/bench"),
            temporary: tempfile::tempdir()?,
            postgres: postgres().await,
        })
    }

    /// A folder that goes with the bench.
    pub fn folder(&self) -> &std::path::Path {
        self.temporary.path()
    }

    /// A Bitbucket with these repositories.
    pub async fn bitbucket(&self, histories: &Histories) -> Result<Bitbucket> {
        Bitbucket::start(&self.simulator, histories).await
    }

    pub async fn database(&self, kind: Kind) -> Result<Database> {
        Database::new(kind, self.folder(), self.postgres).await
    }

    /// What a program takes, and what it says.
    pub async fn measured(&self, bitbucket: &Bitbucket, program: &Program) -> Result<(Taken, String)> {
        bitbucket.forget_requests().await?;
        let before = bitbucket.counts().await?;
        let (usage, said) = program.measure().await?;
        let after = bitbucket.counts().await?;
        let taken = Taken { usage, requests: Some(after.requests), bytes: Some(after.sent - before.sent) };
        Ok((taken, said))
    }

    /// One sync into this database, and whether it has done all of it.
    pub async fn sync(
        &self,
        bitbucket: &Bitbucket,
        histories: &Histories,
        database: &Database,
        login: Login,
    ) -> Result<Taken> {
        let (taken, said) = self.measured(bitbucket, &sync(&self.connector, bitbucket, database, login)).await?;
        check_said(&said, histories)?;
        Ok(taken)
    }

    /// The median of several first syncs, each into a new database that is looked at afterwards.
    pub async fn first(
        &self,
        bitbucket: &Bitbucket,
        histories: &Histories,
        kind: Kind,
        login: Login,
        runs: usize,
    ) -> Result<Taken> {
        let mut all = Vec::new();
        for _ in 0..runs {
            let database = self.database(kind).await?;
            let taken = self.sync(bitbucket, histories, &database, login).await?;
            say!("  {}: {:.2} s, {:.2} s of a processor", kind.name(), taken.usage.seconds, taken.usage.processor);
            database.check(histories).await?;
            database.remove().await?;
            all.push(taken);
        }
        Ok(Taken::median(&all))
    }

    /// A sync that is not counted, after which the simulator has all answers ready. For either way to log in.
    pub async fn warm(&self, bitbucket: &Bitbucket, histories: &Histories) -> Result<()> {
        say!("warming up with {}", histories.say());
        self.first(bitbucket, histories, Kind::Sqlite, Login::Password, 1).await.map(drop)
    }
}

/// A share in per cent.
pub fn percent(of: f64, whole: f64) -> String {
    format!("{:.0} %", 100.0 * of / whole)
}
