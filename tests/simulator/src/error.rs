use std::io;

/// What can go wrong while a simulator is set up or told to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A command names something that is not there.
    #[error("no {kind} named {name}")]
    Unknown {
        /// What kind of thing was looked for.
        kind: &'static str,
        /// The name it was looked for under.
        name: String,
    },
    /// A command cannot be carried out as written.
    #[error("{0}")]
    Invalid(String),
    /// git refused, or answered in a way that is not understood.
    #[error("git {command}: {reason}")]
    Git {
        /// The git subcommand.
        command: String,
        /// What git wrote to standard error, or what was odd.
        reason: String,
    },
    /// Files, processes or sockets.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) fn unknown(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Unknown { kind, name: name.into() }
    }

    pub(crate) fn git(command: impl Into<String>, reason: impl AsRef<[u8]>) -> Self {
        let reason = String::from_utf8_lossy(reason.as_ref()).trim().to_owned();
        Self::Git { command: command.into(), reason }
    }
}
