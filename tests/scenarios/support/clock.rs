//! A wall clock of one operator's own, by libfaketime. Its monotonic clock, by which it waits, is the machine's.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::operator::Stage;

/// Where the operators of a stage look what time it is.
pub struct Clock(PathBuf);

impl Clock {
    /// For the operators that are started from now on.
    pub fn of(stage: &mut Stage, now: &str) -> Self {
        // `faketime` itself lets the loader find it by the same path.
        let library = "/usr/$LIB/faketime/libfaketime.so.1";
        let places = ["/usr/lib", "/usr/lib64"].map(Path::new);
        let found = places.iter().flat_map(|place| walk(place)).any(|path| path.ends_with("faketime/libfaketime.so.1"));
        assert!(found, "libfaketime is installed (Debian: faketime)");
        let clock = Self(stage.folder.path().join(format!("clock-{}", fastrand::u64(..))));
        clock.set(now);
        let variables = [
            ("LD_PRELOAD", library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        // In place of those of another clock.
        stage.variables.retain(|(name, _)| variables.iter().all(|(own, _)| own != name));
        stage.variables.extend(variables);
        clock
    }

    /// It goes on from there.
    pub fn set(&self, now: &str) {
        self.turn(now.parse().unwrap());
    }

    /// The same.
    pub fn turn(&self, now: Timestamp) {
        let ahead = now.duration_since(Timestamp::now()).as_secs();
        // At once: it may be read at any moment.
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{ahead:+}")).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }
}

/// What is in a folder, and in those in it.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| {
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    inside(folder).iter().flat_map(|path| inside(path)).flat_map(|path| [inside(&path), vec![path]].concat()).collect()
}
