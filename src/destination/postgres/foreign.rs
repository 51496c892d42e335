//! Addresses that somebody else has given than whoever runs this program: nothing of this machine is theirs to name.

use std::net::IpAddr;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::Host;

use super::address::{Authorities, PostgresUrl, Tls};
use crate::destination::InvalidDatabaseUrl;

impl PostgresUrl {
    /// Understands such an address. `authorities` are the certificates, in PEM form, of those who may have signed the
    /// server's.
    pub fn of_others(text: &str, authorities: Option<&[u8]>) -> Result<Self, InvalidDatabaseUrl> {
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(InvalidDatabaseUrl::Scheme);
        }
        let url = Self::read(text, authorities.map(given).transpose()?)?;
        let file =
            matches!(&url.tls, Tls::VerifyName(Authorities::File(_)) | Tls::VerifyAuthority(Authorities::File(_)));
        if file || url.config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_))) {
            return Err(InvalidDatabaseUrl::Local);
        }
        Ok(url)
    }

    /// The names and addresses that would be connected to.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let names = self.config.get_hosts().iter().filter_map(|host| match host {
            Host::Tcp(name) => Some(name.clone()),
            Host::Unix(_) => None,
        });
        names.chain(self.config.get_hostaddrs().iter().map(IpAddr::to_string))
    }
}

/// All must be certificates: what is left out would be missed only when the server is asked.
fn given(pem: &[u8]) -> Result<Authorities, InvalidDatabaseUrl> {
    let mut store = RootCertStore::empty();
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| InvalidDatabaseUrl::Authorities)?;
    let usable = certificates.iter().all(|certificate| store.add(certificate.clone()).is_ok());
    if usable && !certificates.is_empty() {
        Ok(Authorities::Given(certificates))
    } else {
        Err(InvalidDatabaseUrl::Authorities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        rcgen::generate_simple_self_signed(vec!["db".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn nothing_of_this_machine_can_be_named() {
        let refused = |text: &str| PostgresUrl::of_others(text, None).unwrap_err();
        for local in [
            "postgres://h/a?sslrootcert=/etc/ssl/ca.crt",
            "postgres://h/a?sslmode=verify-ca&sslrootcert=ca.crt",
            "postgres://%2Fvar%2Frun%2Fpostgresql/a",
            "postgres:///a?host=/var/run/postgresql",
            "postgres://h,%2Ftmp/a",
        ] {
            assert_eq!(refused(local), InvalidDatabaseUrl::Local, "{local}");
        }
        assert_eq!(refused("sqlite:///commits.db"), InvalidDatabaseUrl::Scheme);
        assert!(PostgresUrl::of_others("postgresql://u:hunter2@h/a?sslrootcert=system", None).is_ok());
    }

    #[test]
    fn given_authorities_are_asked() {
        let pem = pem();
        let tls = |text: &str| PostgresUrl::of_others(text, Some(pem.as_bytes())).map(|url| url.tls);
        for mode in ["", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-full"] {
            let found = tls(&format!("postgres://h/a{mode}"));
            assert!(matches!(found, Ok(Tls::VerifyName(Authorities::Given(_)))), "{mode}: {found:?}");
        }
        assert!(matches!(tls("postgres://h/a?sslmode=verify-ca"), Ok(Tls::VerifyAuthority(Authorities::Given(_)))));
        for two in ["sslmode=disable", "sslrootcert=system", "sslrootcert=/ca.crt"] {
            assert_eq!(tls(&format!("postgres://h/a?{two}")).unwrap_err(), InvalidDatabaseUrl::Tls, "{two}");
        }
        for junk in ["", "hunter2", "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n"] {
            let found = PostgresUrl::of_others("postgres://h/a", Some(junk.as_bytes()));
            assert!(found == Err(InvalidDatabaseUrl::Authorities), "it is taken for a certificate");
        }
    }

    #[test]
    fn all_hosts_are_told() {
        let url = PostgresUrl::of_others("postgres://a,[::1]:5433/x?hostaddr=192.0.2.7,192.0.2.8", None).unwrap();
        assert_eq!(url.hosts().collect::<Vec<_>>(), ["a", "::1", "192.0.2.7", "192.0.2.8"]);
    }
}
