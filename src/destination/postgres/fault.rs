//! What PostgreSQL's faults mean: what was seen, and what to do. What the server says itself may hold anything, so it
//! is not repeated here.

use std::io::{self, ErrorKind};

use tokio_postgres::error::SqlState;

use crate::destination::Error;
use crate::trust::{Flaw, cause};

/// A statement, or the login, failed.
pub(super) fn of(error: &tokio_postgres::Error) -> Error {
    if let Some(code) = error.code() {
        return of_code(code);
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return match tls {
            rustls::Error::InvalidCertificate(flaw) => distrusted(flaw.into()),
            _ => Error::Unavailable("TLS with the PostgreSQL server failed".to_owned()),
        };
    }
    if cause::<io::Error>(error).is_some() {
        return lost();
    }
    // What is left of the login has no other mark than its words.
    match error.to_string().as_str() {
        "error performing TLS handshake" => Error::Invalid(
            "the PostgreSQL server does not offer TLS, and sslmode asks for it: turn it on there, or change sslmode"
                .to_owned(),
        ),
        "invalid configuration" | "authentication error" => {
            refused("asks for a password, or for another kind of login")
        }
        _ => lost(),
    }
}

/// A person's query failed, who is told what the server says of it.
pub(super) fn of_query(error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else { return of(error) };
    let hint = said.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    Error::Unavailable(format!("PostgreSQL says: {}{hint}", said.message()))
}

/// What a code of the server means.
pub(super) fn of_code(code: &SqlState) -> Error {
    let invalid = |what: &str| Error::Invalid(format!("PostgreSQL answers {}, {what}", code.code()));
    let unavailable = |what: &str| Error::Unavailable(format!("PostgreSQL answers {}, {what}", code.code()));
    match *code {
        SqlState::INVALID_PASSWORD => refused("refuses the login; the server's log says why"),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Error::Invalid(
            "the PostgreSQL server refuses the login before it asks for a password: its pg_hba.conf has no line for this \
             user, database and address, or only one with TLS, which sslmode=require asks for; the server's log says why"
                .to_owned(),
        ),
        SqlState::INVALID_CATALOG_NAME => invalid("no such database: create it, or correct the address"),
        SqlState::INSUFFICIENT_PRIVILEGE => {
            invalid("missing privileges: create the schema with the role as its owner, and let it own what is in it")
        }
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => invalid(
            "the tables are not as this program has made them: look whether a newer version of it, or somebody, has \
             changed them",
        ),
        SqlState::DISK_FULL => unavailable("disk full: make room on the server"),
        SqlState::OUT_OF_MEMORY => unavailable("out of memory: give the server more"),
        SqlState::TOO_MANY_CONNECTIONS => {
            unavailable("too many connections: raise the server's or the role's limit, or close others")
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            unavailable("read-only: check that the address is the primary's, and that the role may write")
        }
        SqlState::QUERY_CANCELED => {
            unavailable("cancelled: if no admin did it, raise the statement_timeout of role or server")
        }
        SqlState::LOCK_NOT_AVAILABLE => unavailable("locked: look for who else holds locks on these tables"),
        SqlState::T_R_DEADLOCK_DETECTED => unavailable("a deadlock: look for who else locks rows of these tables"),
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            unavailable("starting or shutting down")
        }
        _ => unavailable("a fault that its log explains"),
    }
}

fn refused(what: &str) -> Error {
    Error::Invalid(format!("the PostgreSQL server {what}: correct user name and password in the address"))
}

/// What is wrong with the server's certificate.
fn distrusted(flaw: Flaw) -> Error {
    let (seen, help) = match flaw {
        Flaw::WrongName => {
            ("does not name the host", "write the host as the certificate has it, or give the server another one")
        }
        Flaw::UnknownAuthority => {
            ("is of an authority that is not trusted", "let sslrootcert name a file with that authority's certificate")
        }
        Flaw::Expired => ("has expired", "give the server a new one"),
        Flaw::Other => ("is not trusted", "check it, and the authority in sslrootcert"),
    };
    Error::Invalid(format!("the certificate of the PostgreSQL server {seen}: {help}"))
}

fn lost() -> Error {
    Error::Unavailable("the connection to PostgreSQL was lost: look whether the server was restarted".to_owned())
}

/// The server took the connection, and nothing came.
pub(super) fn silent() -> Error {
    Error::Unavailable("PostgreSQL does not answer: look whether the server hangs".to_owned())
}

/// There is no such host, as far as can be told now.
pub(super) fn unknown_host() -> Error {
    Error::Unavailable("the PostgreSQL server's name cannot be looked up: correct it, or look at the DNS".to_owned())
}

/// The host is where this operator connects to for nobody.
pub(super) fn denied() -> Error {
    Error::Invalid(
        "the PostgreSQL server has an address that the operator does not connect to, a loopback, link-local or metadata \
         address, or one of --denied-cidrs: correct the host"
            .to_owned(),
    )
}

/// There is no connection.
pub(super) fn unreachable(error: &io::Error) -> Error {
    let seen = match error.kind() {
        ErrorKind::ConnectionRefused => "it refuses the connection",
        ErrorKind::NotFound => "there is no such socket",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::TimedOut => "it does not answer",
        _ => "there is no way to it",
    };
    Error::Unavailable(format!(
        "the PostgreSQL server cannot be reached, {seen}: correct host and port, or start the server"
    ))
}

/// All connections are busy, which is so only where the server hangs.
pub(super) fn busy() -> Error {
    Error::Unavailable("PostgreSQL is too slow: too many transactions wait for a connection".to_owned())
}

/// The tables are not as the migrations have left them.
pub(super) fn changed() -> Error {
    Error::Unavailable("the tables hold what this program did not write: look who has changed them".to_owned())
}

/// Whether the same transaction may succeed if it is run again: another one was in its way, and has gone on.
pub(super) fn is_passing(code: &SqlState) -> bool {
    *code == SqlState::T_R_DEADLOCK_DETECTED
        || *code == SqlState::T_R_SERIALIZATION_FAILURE
        // Somebody else has inserted the row that was looked for and not found.
        || *code == SqlState::UNIQUE_VIOLATION
        // An account has taken over the row that was found, and that is gone.
        || *code == SqlState::FOREIGN_KEY_VIOLATION
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it waits for a person, and what is said.
    fn told(error: Error) -> (bool, String) {
        match error {
            Error::Invalid(text) => (true, text),
            Error::Unavailable(text) => (false, text),
        }
    }

    #[test]
    fn what_only_a_person_can_change_is_told_apart_from_what_passes() {
        for (code, person, says) in [
            ("28P01", true, "correct user name and password"),
            ("28000", true, "pg_hba.conf"),
            ("3D000", true, "no such database"),
            ("42501", true, "missing privileges"),
            ("42P01", true, "not as this program has made them"),
            ("42703", true, "not as this program has made them"),
            ("53100", false, "disk full"),
            ("53200", false, "out of memory"),
            ("53300", false, "too many connections"),
            ("25006", false, "read-only"),
            ("57014", false, "statement_timeout"),
            ("55P03", false, "locked"),
            ("40P01", false, "a deadlock"),
            ("57P01", false, "starting or shutting down"),
            ("57P02", false, "starting or shutting down"),
            ("57P03", false, "starting or shutting down"),
            ("XX000", false, "its log explains"),
        ] {
            let (is_for_a_person, text) = told(of_code(&SqlState::from_code(code)));
            assert_eq!((is_for_a_person, text.contains(says)), (person, true), "{code}: {text}");
        }
        for (error, person) in [(denied(), true), (unknown_host(), false), (silent(), false), (busy(), false)] {
            assert_eq!(told(error).0, person);
        }
    }

    #[test]
    fn who_was_only_in_the_way_is_waited_for() {
        for (code, passes) in
            [("40P01", true), ("40001", true), ("23505", true), ("23503", true), ("23502", false), ("57014", false)]
        {
            assert_eq!(is_passing(&SqlState::from_code(code)), passes, "{code}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_told_why() {
        for (flaw, says) in [
            (Flaw::WrongName, "does not name the host"),
            (Flaw::UnknownAuthority, "authority that is not trusted"),
            (Flaw::Expired, "has expired"),
            (Flaw::Other, "is not trusted: check it"),
        ] {
            let (person, text) = told(distrusted(flaw));
            assert!(person && text.contains(says), "{flaw:?}: {text}");
        }
    }

    #[test]
    fn a_server_that_is_not_reached_is_told_how_far_one_came() {
        for (kind, says) in [
            (ErrorKind::ConnectionRefused, "refuses the connection"),
            (ErrorKind::NotFound, "no such socket"),
            (ErrorKind::PermissionDenied, "permission denied"),
            (ErrorKind::TimedOut, "does not answer"),
            (ErrorKind::NetworkUnreachable, "no way to it"),
        ] {
            let (person, text) = told(unreachable(&kind.into()));
            assert!(!person && text.contains(says), "{kind:?}: {text}");
        }
    }
}
