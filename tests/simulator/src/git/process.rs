use std::path::Path;
use std::process::Command;

/// Settings that make git behave the same on every machine, whoever owns the repository.
const CONFIG: [(&str, &str); 6] = [
    // Repositories of other users are served too. Honoured from the environment since git 2.38.
    ("safe.directory", "*"),
    // A repository must not repack itself while a test looks at it.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // One pack for an import of any size: no second process to unpack it.
    ("fastimport.unpackLimit", "1"),
    ("core.fsync", "none"),
    ("init.defaultBranch", "main"),
];

/// A git command in `directory` that sees neither the user's settings nor a surrounding git's environment.
pub(crate) fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(&name);
        }
    }
    command
        .arg("-C")
        .arg(directory)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_CONFIG_COUNT", CONFIG.len().to_string());
    for (index, (key, value)) in CONFIG.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    command
}
