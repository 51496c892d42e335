//! The connector as a program of its own.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::within;

/// The program, with nothing of this process's environment. It is killed with its test.
pub fn connector() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitbucket-connector"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Looks at a process, by its id, every few milliseconds until it has ended.
pub async fn watch(child: &mut Child, mut look: impl FnMut(u32)) {
    let (id, mut tick) = (child.id().unwrap(), tokio::time::interval(Duration::from_millis(5)));
    let watching = async {
        while child.try_wait().unwrap().is_none() {
            look(id);
            tick.tick().await;
        }
    };
    within("the command's end", watching).await;
}

/// The memory that a process has now, in KiB; None once it has ended. Without what it maps of its own file: how much of
/// that is in memory is the machine's affair.
pub fn memory(id: u32) -> Option<u64> {
    status(id, "RssAnon:")
}

/// The most that was resident of it so far, in KiB.
pub fn peak(id: u32) -> Option<u64> {
    status(id, "VmHWM:")
}

/// All that is resident of it now, in KiB.
pub fn resident(id: u32) -> Option<u64> {
    status(id, "VmRSS:")
}

/// The seconds that it has had a processor so far, with those of its children that have ended.
pub fn processor(id: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may have spaces in it. utime, stime, cutime and cstime are the 14th to the 17th field, in
    // hundredths of a second whatever the kernel's own clock.
    let fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(4);
    let hundredths: u32 = fields.map(|field| field.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(f64::from(hundredths) / 100.0)
}

fn status(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
