//! A PostgreSQL address, as libpq reads it. What tokio-postgres does not know, or would do differently, is taken out
//! here: `sslmode` and `sslrootcert`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls;
use crate::destination::{Error, InvalidDatabaseUrl};

/// The longest name that PostgreSQL does not cut off.
const LONGEST_NAME: usize = 63;

/// What a parameter may be, beside those of TLS. Another one may be about safety, so it is not ignored.
const PARAMETERS: [&str; 17] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Where a server is, how to log in, and the schema there.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) schema: SchemaName,
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all.
    Disable,
    /// Encrypted where the server can, for whoever answers.
    Prefer,
    /// Encrypted, for whoever answers.
    Require,
    /// Encrypted, for whoever has a certificate of these authorities.
    VerifyAuthority(Authorities),
    /// Encrypted, for whoever has a certificate of these authorities that names the host.
    VerifyName(Authorities),
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those that this machine trusts.
    System,
    /// Those in a PEM file, and no others.
    File(PathBuf),
    /// These, and no others.
    Given(Vec<CertificateDer<'static>>),
}

/// The name of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

/// What is wrong with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchemaName {
    /// Empty, or longer than PostgreSQL's names can be.
    #[error("a schema's name has 1 to 63 bytes")]
    Length,
    /// One of PostgreSQL's own.
    #[error("schemas whose names begin with pg_, and information_schema, are PostgreSQL's own")]
    Reserved,
    /// PostgreSQL cannot write it.
    #[error("a schema's name has no control characters")]
    Character,
}

impl FromStr for SchemaName {
    type Err = InvalidSchemaName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > LONGEST_NAME {
            Err(InvalidSchemaName::Length)
        } else if text.starts_with("pg_") || text == "information_schema" {
            Err(InvalidSchemaName::Reserved)
        } else if text.chars().any(char::is_control) {
            Err(InvalidSchemaName::Character)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl Default for SchemaName {
    fn default() -> Self {
        Self("bitbucket".to_owned())
    }
}

impl SchemaName {
    /// As it is written in SQL.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PostgresUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text, None)
    }
}

impl PostgresUrl {
    /// Understands an address; `given` are authorities that come beside it.
    pub(super) fn read(text: &str, given: Option<Authorities>) -> Result<Self, InvalidDatabaseUrl> {
        let credentials = text.find('@').map_or(0, |at| at + 1);
        let query = text[credentials..].find('?').map(|mark| credentials + mark);
        let (before, query) = query.map_or((text, ""), |mark| (&text[..mark], &text[mark + 1..]));
        let (mut mode, mut root, mut others) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').ok_or(InvalidDatabaseUrl::Parameter)?;
            match key {
                "sslmode" => mode = Some(value),
                "sslrootcert" => root = Some(decoded(value).ok_or(InvalidDatabaseUrl::Parameter)?),
                key if PARAMETERS.contains(&key) => others.push(parameter),
                _ => return Err(InvalidDatabaseUrl::Parameter),
            }
        }
        let authorities = match (given, root) {
            (Some(_), Some(_)) => return Err(InvalidDatabaseUrl::Tls),
            (Some(given), None) => Some(given),
            (None, None) => None,
            (None, Some(root)) => Some(Authorities::named(&root).ok_or(InvalidDatabaseUrl::Parameter)?),
        };
        let tls = Tls::new(mode, authorities)?;
        let rest = if others.is_empty() { before.to_owned() } else { format!("{before}?{}", others.join("&")) };
        // It says which part is wrong, but would repeat it.
        let wrong = if others.is_empty() { InvalidDatabaseUrl::Host } else { InvalidDatabaseUrl::Parameter };
        let mut config: Config = rest.parse().map_err(|_| wrong)?;
        check_hosts(&config)?;
        config.ssl_mode(match tls {
            Tls::Disable => SslMode::Disable,
            Tls::Prefer => SslMode::Prefer,
            Tls::Require | Tls::VerifyAuthority(_) | Tls::VerifyName(_) => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("bitbucket-connector");
        }
        Ok(Self { config, tls, schema: SchemaName::default() })
    }

    /// The same database with another schema.
    pub(in crate::destination) fn with_schema(self, schema: SchemaName) -> Self {
        Self { schema, ..self }
    }

    /// User and password.
    #[cfg(test)]
    pub(in crate::destination) fn login(&self) -> (Option<&str>, Option<&[u8]>) {
        (self.config.get_user(), self.config.get_password())
    }

    /// Looks whether the file of authorities can be used.
    pub(in crate::destination) fn check_files(&self) -> Result<(), Error> {
        tls::connector(&self.tls).map(drop)
    }
}

impl Tls {
    /// Authorities are there to be asked, whatever the mode says; libpq would ignore a file with `prefer`.
    fn new(mode: Option<&str>, authorities: Option<Authorities>) -> Result<Self, InvalidDatabaseUrl> {
        match (mode, authorities) {
            (Some("disable"), None) => Ok(Self::Disable),
            (None | Some("allow" | "prefer"), None) => Ok(Self::Prefer),
            (Some("require"), None) => Ok(Self::Require),
            // What the public authorities sign says nothing without the name.
            (Some("verify-ca"), Some(own @ (Authorities::File(_) | Authorities::Given(_)))) => {
                Ok(Self::VerifyAuthority(own))
            }
            (Some("verify-ca" | "disable"), _) => Err(InvalidDatabaseUrl::Tls),
            (Some("verify-full"), None) => Ok(Self::VerifyName(Authorities::System)),
            (None | Some("allow" | "prefer" | "require" | "verify-full"), Some(authorities)) => {
                Ok(Self::VerifyName(authorities))
            }
            (Some(_), _) => Err(InvalidDatabaseUrl::Parameter),
        }
    }
}

impl Authorities {
    /// Those that `sslrootcert` names.
    fn named(root: &str) -> Option<Self> {
        match root {
            "" => None,
            "system" => Some(Self::System),
            path => Some(Self::File(path.into())),
        }
    }
}

fn decoded(value: &str) -> Option<String> {
    // A plus is a plus, as in libpq.
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// An @ that was not encoded makes a host of a part of the password, and hosts are no secret. So a host is refused that
/// cannot be one.
fn check_hosts(config: &Config) -> Result<(), InvalidDatabaseUrl> {
    let sound = |host: &Host| match host {
        Host::Tcp(name) => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
            !name.is_empty() && name.chars().all(allowed)
        }
        Host::Unix(_) => true,
    };
    let named = !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty();
    if named && config.get_hosts().iter().all(sound) { Ok(()) } else { Err(InvalidDatabaseUrl::Host) }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the login: where a character is not encoded as it should be, a password ends up in any part.
        f.debug_struct("PostgresUrl").field("tls", &self.tls).field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_libpqs_and_authorities_are_used_where_they_are_given() {
        let tls = |parameters: &str| format!("postgres://h/a?{parameters}").parse::<PostgresUrl>().unwrap().tls;
        let file = || Authorities::File("/ca files/ca.crt".into());
        for (parameters, expected) in [
            ("", Tls::Prefer),
            ("sslmode=disable", Tls::Disable),
            ("sslmode=allow", Tls::Prefer),
            ("sslmode=prefer&application_name=x", Tls::Prefer),
            ("sslmode=require", Tls::Require),
            ("sslmode=verify-full", Tls::VerifyName(Authorities::System)),
            ("sslrootcert=system", Tls::VerifyName(Authorities::System)),
            ("sslrootcert=/ca%20files/ca.crt", Tls::VerifyName(file())),
            ("sslmode=require&sslrootcert=/ca%20files/ca.crt", Tls::VerifyName(file())),
            ("sslmode=verify-full&sslrootcert=/ca%20files/ca.crt", Tls::VerifyName(file())),
            ("sslmode=verify-ca&sslrootcert=/ca%20files/ca.crt", Tls::VerifyAuthority(file())),
        ] {
            assert_eq!(tls(parameters), expected, "{parameters}");
        }
        // The first @ is the login's: another one may stand in a parameter.
        let later: PostgresUrl = "postgres://u:p@h/a?sslmode=require&application_name=x@y".parse().unwrap();
        assert_eq!(later.tls, Tls::Require);
    }

    #[test]
    fn every_host_has_a_name_and_sessions_say_whose_they_are() {
        assert_eq!("postgres://a,/db".parse::<PostgresUrl>().unwrap_err(), InvalidDatabaseUrl::Host);
        let name = |url: &str| url.parse::<PostgresUrl>().unwrap().config.get_application_name().map(str::to_owned);
        assert_eq!(name("postgres://h/a").as_deref(), Some("bitbucket-connector"));
        assert_eq!(name("postgres://h/a?application_name=team").as_deref(), Some("team"));
    }

    #[test]
    fn a_schemas_name_is_quoted_or_refused() {
        let name = |text: &str| text.parse::<SchemaName>();
        assert_eq!(name("a \"b\"").unwrap().quoted(), "\"a \"\"b\"\"\"");
        assert_eq!(name(""), Err(InvalidSchemaName::Length));
        assert!(name(&"a".repeat(63)).is_ok());
        assert_eq!(name(&"ü".repeat(32)), Err(InvalidSchemaName::Length));
        assert_eq!(name("pg_x"), Err(InvalidSchemaName::Reserved));
        assert_eq!(name("information_schema"), Err(InvalidSchemaName::Reserved));
        assert_eq!(name("a\0"), Err(InvalidSchemaName::Character));
    }
}
