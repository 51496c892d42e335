//! What was done, for whoever must play it again.

use std::sync::{Arc, Mutex};

/// The operations of one sequence.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, line: String) {
        if std::env::var("MODEL_LOG").is_ok() {
            eprintln!(
                "{:?} {line}",
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() % 1_000_000
            );
        }
        self.0.lock().unwrap().push(line);
    }

    /// The last of them.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.lock().unwrap();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}
