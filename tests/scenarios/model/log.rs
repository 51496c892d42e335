//! What was done, for whoever must play it again.

use std::sync::{Arc, Mutex};

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
