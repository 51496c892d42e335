//! What was done, for whoever must play it again.

use std::sync::{Arc, Mutex};

use bitbucket_simulator::Seen;

use super::world::World;

/// The operations of one sequence.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, line: String) {
        // Whoever plays a sequence again wants to see where it hangs, too.
        if std::env::var_os("MODEL_SEED").is_some() {
            eprintln!("{line}");
        }
        self.0.lock().unwrap().push(line);
    }

    /// The last of them.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.lock().unwrap();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// The requests since the last look, in short: kind, repository and answer.
pub fn asked(world: &World) -> String {
    let short = |seen: Seen| {
        let path = seen.path.trim_start_matches("/rest/api/1.0/").replace("projects/", "").replace("/repos/", "/");
        let names = ["start", "since", "until"].into_iter();
        let values = names.filter_map(|name| seen.parameter(name)).map(|value| &value[..value.len().min(8)]);
        let values: Vec<&str> = values.collect();
        format!("{path} {}={}", values.join(" "), seen.status.unwrap_or(0))
    };
    world.bench.requests().into_iter().map(short).collect::<Vec<_>>().join(", ")
}
