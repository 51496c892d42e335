//! PostgreSQL servers of the tests' own: the machine's programs, as an unprivileged user, on a free port, with their data
//! in a temporary folder. A server ends when the process of the tests does, however that ends, because its keeper's
//! standard input ends then.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "it serves tests: what goes wrong fails them"
)]

mod programs;

use std::fmt::Debug;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use self::programs::{as_user, beside_a_small_disk, program, unprivileged};

/// Every role's. Special characters, as generated passwords have them.
pub const PASSWORD: &str = "hunter2 @:/?#%&=+ü'\"\\";
/// The same, as a URI has it.
pub const PASSWORD_IN_URI: &str = "hunter2%20%40%3A%2F%3F%23%25%26%3D%2B%C3%BC%27%22%5C";

/// Starts a server for each line that it reads, ends the last one when there are no more, and removes what all have
/// written.
const KEEPER: &str = r#"
folder=$1; shift
while read -r port; do
    "$@" -p "$port" >>"$folder/log" 2>&1 &
    id=$!
    echo "$id"
done
kill -QUIT "$id" 2>/dev/null; kill -CONT "$id" 2>/dev/null
wait
rm -rf "$folder"
"#;

/// A server.
pub struct Server {
    /// How its administrator logs in.
    admin: Config,
    /// Host and port, as a URI has them.
    pub address: String,
    process: Option<Process>,
    databases: AtomicU32,
}

/// What is special about a server of our own.
#[derive(Default)]
pub struct Setup {
    /// Each as NAME=VALUE.
    pub settings: Vec<&'static str>,
    /// Files beside its data, by name.
    pub files: Vec<(&'static str, String)>,
    /// The size of a file system on /mnt that only the server sees, and that goes with it.
    pub small: Option<&'static str>,
}

/// The process of a server of our own.
pub struct Process {
    pub folder: PathBuf,
    port: u16,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>, String)>,
    _keeper: Child,
}

/// A database with a role that owns one schema in it, and nothing else.
pub struct Database {
    pub server: &'static Server,
    pub name: String,
    pub role: String,
    /// Of its URL, such as `?connect_timeout=1`.
    pub parameters: &'static str,
}

/// The server that the tests of this process share, started by whoever asks first: that of `TEST_DATABASE_URL`, which
/// is its administrator's, or one of our own.
pub async fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let find = || match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => Server::given(&url),
        Err(_) => Server::start(&Setup::default()),
    };
    tokio::task::spawn_blocking(move || SERVER.get_or_init(find)).await.unwrap()
}

/// A server that a test may treat badly.
pub async fn own_server() -> (&'static Server, &'static Process) {
    started(Setup::default()).await
}

/// A server unlike the others.
pub async fn started(setup: Setup) -> (&'static Server, &'static Process) {
    let server: &'static Server =
        Box::leak(Box::new(tokio::task::spawn_blocking(move || Server::start(&setup)).await.unwrap()));
    (server, server.process.as_ref().unwrap())
}

impl Server {
    fn given(url: &str) -> Self {
        let admin: Config = url.parse().expect("TEST_DATABASE_URL is the URL of a PostgreSQL administrator");
        let rest = url.split_once("://").unwrap().1;
        let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        let address = address.split(['/', '?']).next().unwrap().to_owned();
        Self { admin, address, process: None, databases: AtomicU32::new(0) }
    }

    /// Starts a server of our own.
    pub fn start(setup: &Setup) -> Self {
        let user = unprivileged();
        let folder = tempfile::Builder::new().prefix("bitbucket-connector-").tempdir().unwrap().keep();
        let data = folder.join("data").display().to_string();
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        for path in [&folder, &password] {
            chown(path, user.as_ref().map(|user| user.0), user.as_ref().map(|user| user.1)).unwrap();
        }
        let initialised = as_user(user, &program("initdb"))
            .args(["-D", &data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .current_dir("/")
            .output()
            .unwrap();
        assert!(initialised.status.success(), "initdb: {}", String::from_utf8_lossy(&initialised.stderr));
        for (name, text) in &setup.files {
            let path = folder.join("data").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            chown(&path, user.map(|user| user.0), user.map(|user| user.1)).unwrap();
        }
        let mut keeper = as_user(user, Path::new("sh"));
        if let Some(size) = setup.small {
            keeper = beside_a_small_disk(user, size, &keeper);
        }
        keeper.args(["-c", KEEPER, "keeper"]).arg(&folder).arg(program("postgres")).args(["-D", &data]);
        let sockets = format!("unix_socket_directories={}", folder.display());
        // Nothing here outlives the machine.
        let own = ["fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", "max_connections=200", &sockets];
        for setting in own.iter().chain(&setup.settings) {
            keeper.args(["-c", setting]);
        }
        let mut keeper = keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pipes = (keeper.stdin.take().unwrap(), BufReader::new(keeper.stdout.take().unwrap()), String::new());
        let mut process = Process { folder, port: 0, pipes: Mutex::new(pipes), _keeper: keeper };
        // Another program may take the port before the server does.
        let started = (0..5).any(|_| {
            process.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            process.run()
        });
        assert!(started, "the server started; its log: {}", process.log());
        let mut admin = Config::new();
        admin.host("127.0.0.1").port(process.port).user("postgres").password(PASSWORD);
        let address = format!("127.0.0.1:{}", process.port);
        Self { admin, address, process: Some(process), databases: AtomicU32::new(0) }
    }

    /// A login as administrator.
    pub async fn admin(&self, database: &str) -> Client {
        let (client, connection) = self.admin.clone().dbname(database).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new database with the schema `bitbucket`.
    pub async fn database(&'static self) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let admin = self.admin("postgres").await;
        let password = PASSWORD.replace('\'', "''");
        admin.batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await.unwrap();
        let database = Database { server: self, role: name.clone(), name, parameters: "" };
        let schema = format!("CREATE SCHEMA bitbucket AUTHORIZATION {}", database.role);
        database.admin().await.batch_execute(&schema).await.unwrap();
        database
    }
}

impl Database {
    /// Its URL for the role.
    pub fn url<T: FromStr<Err: Debug>>(&self) -> T {
        self.text().parse().unwrap()
    }

    /// The same as text.
    pub fn text(&self) -> String {
        let Self { server, name, role, parameters } = self;
        format!("postgres://{role}:{PASSWORD_IN_URI}@{}/{name}{parameters}", server.address)
    }

    /// A login as administrator, who finds the tables of the schema `bitbucket`.
    pub async fn admin(&self) -> Client {
        let client = self.server.admin(&self.name).await;
        client.batch_execute("SET search_path = bitbucket").await.unwrap();
        client
    }
}

impl Process {
    /// Starts it and waits until it takes connections. False, if it ends instead.
    pub fn run(&self) -> bool {
        let id = {
            let (input, output, id) = &mut *self.pipes.lock().unwrap();
            writeln!(input, "{}", self.port).unwrap();
            id.clear();
            output.read_line(id).unwrap();
            id.trim().to_owned()
        };
        for _ in 0..600 {
            // The server says in its file how far it is.
            let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            if file.lines().next() == Some(id.as_str())
                && file.lines().last().is_some_and(|line| line.trim() == "ready")
            {
                return true;
            }
            if gone(&id) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Puts a file into its data, which nobody else can read.
    pub fn put(&self, name: &str, text: &str) {
        let (data, path) = (self.folder.join("data"), self.folder.join("data").join(name));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = std::fs::metadata(data).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Sends the main process a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        self::signal(signal, self.pipes.lock().unwrap().2.trim());
    }

    /// kill -9, and the end of all that belongs to it.
    pub fn kill(&self) {
        self.signal("-KILL");
        let id = self.pipes.lock().unwrap().2.trim().to_owned();
        while !gone(&id) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Sends one process of a server a signal.
pub fn signal(signal: &str, id: &str) {
    assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
}

/// Whether a process has ended. One that nobody has waited for is as good as gone.
fn gone(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}
