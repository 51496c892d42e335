//! From `spec.destination` and its Secrets to a database's address. Pure.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

use super::credentials::bare;
use super::keys::CA;
use crate::api::destination::DestinationReference;
use crate::destination::{DatabaseUrl, InvalidDatabaseUrl, PostgresUrl, SchemaName};
use crate::trust::Hosts;

/// An address is not longer than this.
const LONGEST_URI: usize = 4096;

/// Where a connection's rows go.
#[derive(Clone, Debug)]
pub struct Target {
    /// Equal for the same database.
    pub key: TargetKey,
    /// None: the operator's own.
    pub url: Option<DatabaseUrl>,
}

impl Target {
    /// The operator's own database.
    pub const OWN: Self = Self { key: TargetKey::OWN, url: None };
}

/// A target that cannot be used, and the sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget {
    /// Equal for the same fault.
    pub key: TargetKey,
    /// What was seen and what to do.
    pub message: String,
}

impl From<String> for InvalidTarget {
    fn from(message: String) -> Self {
        Self { key: TargetKey::new([b"invalid", message.as_bytes()]), message }
    }
}

/// Understands what `reference` refers to.
pub fn target(
    reference: &DestinationReference,
    secret: &Secret,
    certificates: Option<&Secret>,
    hosts: &Hosts,
) -> Result<Target, InvalidTarget> {
    let uri = uri(secret, &reference.secret_ref.key)?;
    let authorities = certificates.map(certificate).transpose()?;
    let url = PostgresUrl::of_others(&uri, authorities).map_err(|error| wrong(&reference.secret_ref.key, error))?;
    if !url.hosts().all(|host| hosts.allow_name(&host)) {
        return Err("The database's host is none of those that the operator connects to (--allowed-hosts). Correct the URI in spec.destination.secretRef's Secret, or ask who installed the operator to allow this host.".to_owned().into());
    }
    let schema: SchemaName = reference
        .schema
        .parse()
        .map_err(|error| format!("spec.destination.schema cannot be used: {error}. Choose another name."))?;
    let key = TargetKey::new([uri.as_bytes(), reference.schema.as_bytes(), authorities.unwrap_or_default()]);
    let url = DatabaseUrl::Postgres(Box::new(url));
    let url = url.with_schema(schema).map_err(|error| wrong(&reference.secret_ref.key, error))?;
    Ok(Target { key, url: Some(url) })
}

/// There is no such Secret.
pub fn missing(field: &str, name: &str) -> InvalidTarget {
    format!("There is no Secret {name} in this namespace. Create it, or correct spec.destination.{field}.name.").into()
}

fn uri(secret: &Secret, key: &str) -> Result<String, String> {
    let found = secret.data.as_ref().and_then(|data| data.get(key));
    let Some(ByteString(bytes)) = found.filter(|ByteString(bytes)| !bytes.is_empty()) else {
        return Err(format!(
            "The Secret of spec.destination.secretRef has no key {key}. Put the URI of the database into it, or correct spec.destination.secretRef.key."
        ));
    };
    let text = Some(bytes).filter(|bytes| bytes.len() <= LONGEST_URI).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let Some(text) = text else {
        return Err(format!(
            "The key {key} of spec.destination.secretRef's Secret is no UTF-8 text of at most {LONGEST_URI} bytes. Put the bare URI into it."
        ));
    };
    Ok(bare(text).to_owned())
}

fn certificate(secret: &Secret) -> Result<&[u8], String> {
    let found = secret.data.as_ref().and_then(|data| data.get(CA));
    found
        .map(|ByteString(pem)| pem.as_slice())
        .ok_or_else(|| format!("The Secret of spec.destination.certSecretRef has no key ca.crt. {PEM}"))
}

const PEM: &str = "Put the certificates of the authority that signed the server's certificate into it, in PEM form.";

fn wrong(key: &str, error: InvalidDatabaseUrl) -> String {
    let what = format!("The key {key} of spec.destination.secretRef's Secret");
    match error {
        InvalidDatabaseUrl::Scheme | InvalidDatabaseUrl::Path | InvalidDatabaseUrl::Schema => format!(
            "{what} is no postgres:// or postgresql:// URI. Write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE."
        ),
        InvalidDatabaseUrl::Host => format!(
            "{what} names no host. Write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters of user name and password in percent-encoding."
        ),
        InvalidDatabaseUrl::Parameter => format!(
            "{what} has a parameter, behind its question mark, that is not known or has a wrong value. Correct or remove it."
        ),
        InvalidDatabaseUrl::Tls => format!(
            "{what} has sslmode or sslrootcert that do not go together with each other or with spec.destination.certSecretRef. For sslmode=verify-ca name certificates there, for disable none, and leave out sslrootcert where they are named."
        ),
        InvalidDatabaseUrl::Local => format!(
            "{what} names a file in sslrootcert, or a socket in the file system, and those are the operator's own. Put certificates into spec.destination.certSecretRef's Secret, and write host and port."
        ),
        InvalidDatabaseUrl::Authorities => format!(
            "The key ca.crt of spec.destination.certSecretRef's Secret holds no certificate in PEM form, or something else beside. {PEM}"
        ),
    }
}

/// A digest of what leads to a database, or of what is wrong with that: where it changes, it is another database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetKey(pub [u8; 32]);

impl TargetKey {
    /// That of the operator's own database.
    pub const OWN: Self = Self([0; 32]);

    fn new<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(data: &[(&str, &[u8])]) -> Secret {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())));
        Secret { data: Some(data.collect::<BTreeMap<_, _>>()), ..Secret::default() }
    }

    fn reference(schema: &str) -> DestinationReference {
        serde_json::from_value(serde_json::json!({"secretRef": {"name": "s"}, "schema": schema})).unwrap()
    }

    fn read(uri: &[u8], ca: Option<&[u8]>, hosts: &[&str]) -> Result<Target, InvalidTarget> {
        let hosts = Hosts::new(hosts.iter().map(|host| host.parse().unwrap()).collect());
        let ca = ca.map(|pem| secret(&[("ca.crt", pem)]));
        target(&reference("bitbucket"), &secret(&[("uri", uri)]), ca.as_ref(), &hosts)
    }

    const GOOD: &[u8] = b"postgresql://app:p%40hunter2@commits-rw.team:5432/app\n";

    #[test]
    fn what_is_wrong_is_said_without_what_is_secret() {
        let none: &[&str] = &[];
        for (uri, ca, hosts, says) in [
            (&b""[..], None, none, "has no key uri"),
            (b"\xffhunter2", None, none, "UTF-8"),
            (&[b'a'; 5000], None, none, "4096"),
            (b"mysql://u:hunter2@h/a", None, none, "no postgres:// or postgresql:// URI"),
            (b"sqlite:///hunter2.db", None, none, "no postgres:// or postgresql:// URI"),
            (b"postgres://u:hunter2@/a", None, none, "names no host"),
            (b"postgres://h/a?passfile=hunter2", None, none, "parameter"),
            (b"postgres://h/a?sslmode=verify-ca", None, none, "do not go together"),
            (b"postgres://u:hunter2@h/a?sslrootcert=/etc/passwd", None, none, "the operator's own"),
            (b"postgres://%2Ftmp/a", None, none, "the operator's own"),
            (GOOD, Some(&b"hunter2"[..]), none, "no certificate in PEM form"),
            (GOOD, None, &["*.example.com"], "--allowed-hosts"),
        ] {
            let InvalidTarget { message, .. } = read(uri, ca, hosts).unwrap_err();
            assert!(message.contains(says) && !message.contains("hunter2"), "it does not say {says}");
            assert!(
                message.ends_with('.') && message.contains(". "),
                "{says}: one sentence of what, and one of what to do"
            );
        }
        let longest = format!("postgres://h/{}", "a".repeat(LONGEST_URI - "postgres://h/".len()));
        assert!(read(longest.as_bytes(), None, none).is_ok());
        assert!(read(format!("{longest}a").as_bytes(), None, none).unwrap_err().message.contains("4096"));
        let empty = target(&reference("a"), &secret(&[("uri", GOOD)]), Some(&secret(&[])), &Hosts::default());
        assert!(empty.unwrap_err().message.contains("no key ca.crt"));
        let long = target(&reference(&"ü".repeat(40)), &secret(&[("uri", GOOD)]), None, &Hosts::default());
        assert!(long.unwrap_err().message.contains("spec.destination.schema"));
    }

    #[test]
    fn the_key_tells_databases_apart_and_is_the_same_for_the_same() {
        let key = |uri: &[u8], schema: &str| {
            target(&reference(schema), &secret(&[("uri", uri)]), None, &Hosts::default()).unwrap().key
        };
        assert_eq!(key(GOOD, "a"), key(b"postgresql://app:p%40hunter2@commits-rw.team:5432/app\r\n", "a"));
        assert_ne!(key(b"postgres://h/ab", "c"), key(b"postgres://h/a", "bc"), "where one part ends counts");
        let pem = || rcgen::generate_simple_self_signed(vec!["db".to_owned()]).unwrap().cert.pem();
        let [without, one, other] = [None, Some(pem()), Some(pem())]
            .map(|pem| read(GOOD, pem.as_ref().map(String::as_bytes), &[]).unwrap().key);
        assert!(without != one && one != other, "whoever is trusted counts too");
        assert_eq!(key(GOOD, "a"), key(GOOD.strip_suffix(b"\n").unwrap(), "a"));
        assert_ne!(key(GOOD, "a"), key(GOOD, "b"));
        assert_ne!(key(GOOD, "a"), key(b"postgres://h/a", "a"));
        assert_ne!(key(GOOD, "a"), Target::OWN.key);
        assert_ne!(missing("secretRef", "a").key, missing("secretRef", "b").key);
        assert!(read(GOOD, None, &["commits-rw.team"]).is_ok());
    }
}
