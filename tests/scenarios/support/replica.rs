//! One operator, as a process of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::leaks::assert_clean;
use super::{until, within};

/// A running operator. Killed when dropped; its log is shown where the test has failed.
pub struct Replica {
    process: Child,
    log: PathBuf,
}

impl Replica {
    /// Starts one with these variables, beside those of every test.
    pub fn start(variables: impl IntoIterator<Item = (&'static str, String)>, log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_bitbucket-connector"))
            .args(["run", "--listen", "127.0.0.1:0", "--debug-listen", "127.0.0.1:0"])
            .env("BITBUCKET_CONNECTOR_LOG_LEVEL", "info,bitbucket_connector=debug")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM, and waits for a good end. Not of one that was killed.
    pub async fn terminate(mut self) {
        if self.process.try_wait().unwrap().is_none() {
            // Before, it has not said yet what is to become of signals.
            let log = self.log.clone();
            until("its start", async || std::fs::read_to_string(&log).unwrap().contains("connector started")).await;
            self.signal("-TERM");
            let waited = tokio::task::spawn_blocking(move || self.process.wait().unwrap());
            assert_eq!(within("the operator's end", waited).await.unwrap().code(), Some(0));
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the operator's log, its end\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        } else {
            assert_clean("the operator's log", log);
        }
    }
}

/// The whole answer to a request for a page of the operator whose log ends like this.
pub fn page(log: &str, path: &str) -> String {
    get(dial(log), path)
}

/// The same, of a page that is for its own machine only.
pub fn debug_page(log: &str, path: &str) -> String {
    get(TcpStream::connect(own(log, 1)).unwrap(), path)
}

fn get(mut stream: TcpStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A connection to where its pages are.
pub fn dial(log: &str) -> TcpStream {
    TcpStream::connect(address(log)).unwrap()
}

/// Where they are.
pub fn address(log: &str) -> SocketAddr {
    own(log, 0)
}

/// Of the addresses that it says it is at, the one after so many others.
fn own(log: &str, number: usize) -> SocketAddr {
    let line = log.lines().rfind(|line| line.contains("bitbucket-connector started")).unwrap();
    let port = line.split("127.0.0.1:").nth(number + 1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
    format!("127.0.0.1:{port}").parse().unwrap()
}
