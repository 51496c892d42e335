//! One control plane for all scenarios of this process. It ends when the process does, because its standard
//! input ends then.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;

use super::leaks::look_for;

/// A running control plane with the CRD installed.
pub struct Cluster {
    pub line: Line,
    _process: Child,
}

/// What `cluster start` says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub kubeconfig: PathBuf,
    pub bin: PathBuf,
    pub audit_log: PathBuf,
    /// Its processes, by the name of the program.
    pub pids: HashMap<String, u32>,
}

/// What kubectl printed.
pub struct Printed {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// The control plane, started by whoever asks first.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = start();
        let crd = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/bitbucketconnections.yaml");
        let crd = crd.display().to_string();
        // An API server warns of whatever it does not like in a CRD.
        let applied = cluster.kubectl(&["apply", "--server-side", "--warnings-as-errors", "-f", &crd], "");
        assert!(applied.ok, "{}", applied.err);
        let established = "--for=condition=Established";
        let name = "crd/bitbucketconnections.bitbucket-connector.dev";
        let waited = cluster.kubectl(&["wait", established, "--timeout=60s", name], "");
        assert!(waited.ok, "{}", waited.err);
        cluster
    })
}

/// A folder of this process. A process cannot remove its own at its end, so the next one does.
fn folder() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clusters");
    for old in std::fs::read_dir(&all).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(old.file_name()).exists() {
            let _ = std::fs::remove_dir_all(old.path());
        }
    }
    let own = all.join(std::process::id().to_string());
    let _ = std::fs::remove_dir_all(&own);
    std::fs::create_dir_all(&own).unwrap();
    own
}

fn start() -> Cluster {
    let folder = folder();
    let mut process = Command::new(program())
        .args(["start", "--audit", "--dir"])
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line = serde_json::from_str(&line).expect("the control plane started; its messages are above");
    Cluster { line, _process: process }
}

/// The program that starts control planes: built once by whoever runs the tests, or now.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("BITBUCKET_CONNECTOR_TEST_CLUSTER") {
        return path.into();
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster"))
        .status()
        .expect("go is installed");
    assert!(built.success(), "tests/cluster builds");
    program
}

impl Cluster {
    /// Runs kubectl with `input` as its standard input.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Printed {
        let mut process = Command::new(self.line.bin.join("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", &self.line.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let printed = Printed { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) };
        // Here, so that no test can forget one.
        if printed.ok && arguments.windows(2).any(|words| words == ["create", "token"]) {
            look_for(&printed.out);
        }
        printed
    }

    /// Applies manifests that must be accepted without a warning.
    pub fn apply(&self, namespace: &str, manifests: &str) {
        let applied =
            self.kubectl(&["apply", "--server-side", "--warnings-as-errors", "-n", namespace, "-f", "-"], manifests);
        assert!(applied.ok, "{}", applied.err);
    }

    /// A namespace of its own for a scenario.
    pub fn namespace(&self, theme: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("{theme}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let created = self.kubectl(&["create", "namespace", &name], "");
        assert!(created.ok, "{}", created.err);
        name
    }
}
