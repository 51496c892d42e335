//! What is going on, for whoever waits: one line that changes on a terminal, else a line for each change. And what is printed in the
//! end, which nobody may be there to read.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Failure;

/// Prints a result. A reader who has gone is no error.
pub(super) fn say(text: impl AsRef<str>) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_ref().as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What is going on.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    /// What was said last.
    last: String,
}

impl Shown {
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, last: String::new() }
    }

    /// From now on this is going on.
    pub fn set(&mut self, text: String) {
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.last != text => {
                eprintln!("{text}");
                self.last = text;
            }
            None => {}
        }
    }

    /// Something that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
