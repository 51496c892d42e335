//! How the machine's programs are found, and as whom they run.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// User and group that the server runs as: it refuses to run as root.
pub fn unprivileged() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let number = |flag: &str, name: &str| {
        let output = Command::new("id").args([flag, name]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    ["postgres", "nobody"].iter().find_map(|name| Some((number("-u", name)?, number("-g", name)?)))
}

pub fn as_user(user: Option<(u32, u32)>, program: &Path) -> Command {
    let Some((user, group)) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program);
    command
}

/// The same with a small file system on /mnt. Who is not root becomes it for that, among its own processes only.
pub fn beside_a_small_disk(user: Option<(u32, u32)>, size: &str, command: &Command) -> Command {
    let mut outer = Command::new("unshare");
    let mount = |options: String| format!("mount -t tmpfs -o size={size}{options} small /mnt && exec \"$@\"");
    if let Some((user, group)) = user {
        outer.args(["--mount", "sh", "-c", &mount(format!(",mode=700,uid={user},gid={group}")), "sh"]);
    } else {
        let own = std::fs::metadata("/proc/self").unwrap();
        outer.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount(",mode=700".to_owned()), "sh"]);
        outer.args(["unshare", "--user", &format!("--map-user={}", own.uid()), &format!("--map-group={}", own.gid())]);
    }
    outer.arg(command.get_program()).args(command.get_args());
    outer
}

/// One of the server's programs, which Debian does not put on the PATH.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debians: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    debians.sort();
    std::env::split_paths(&path)
        .chain(debians.into_iter().rev())
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("{name} is installed: tests/ensure-tools.sh does that"))
}
