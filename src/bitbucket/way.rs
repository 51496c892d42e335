//! The way to a Bitbucket: whom to trust, through which proxy, and for how long to wait.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::url::{has_host, literal};

/// The way to a Bitbucket.
#[derive(Clone, Debug)]
pub struct Way {
    /// How long one request may take, from the connection to the last byte.
    pub timeout: Duration,
    /// Trusted beside the authorities of this machine.
    pub authorities: Authorities,
    /// Through which all requests go; without one HTTPS_PROXY, HTTP_PROXY and NO_PROXY are heeded.
    pub proxy: Option<Proxy>,
}

/// What is wrong with the way, before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWay {
    /// The certificates are not PEM, or there are none, or one is none.
    #[error("holds no certificate in PEM form, or one that is damaged")]
    Pem,
    /// The proxy's address is no URL of a proxy.
    #[error("is not a proxy's address: write it like http://proxy.example.com:3128")]
    Proxy,
    /// There is nobody to trust.
    #[error("no certificate authorities were found on this machine: mount a CA bundle at /etc/ssl/certs")]
    NoAuthorities,
}

/// Certificate authorities.
#[derive(Clone, Default)]
pub struct Authorities {
    certificates: Vec<Certificate>,
    /// Equal where the certificates are.
    fingerprint: [u8; 32],
}

/// An HTTP proxy.
#[derive(Clone)]
pub struct Proxy {
    address: Url,
    credentials: Option<(String, SecretString)>,
}

impl Authorities {
    /// Reads PEM, of which there must be at least one certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidWay> {
        // PEM may hold anything; a client would find out only later, and the fault would seem to be this machine's.
        let mut store = RootCertStore::empty();
        let usable = CertificateDer::pem_slice_iter(pem).all(|found| found.is_ok_and(|der| store.add(der).is_ok()));
        match Certificate::from_pem_bundle(pem) {
            Ok(certificates) if usable && !certificates.is_empty() => {
                Ok(Self { certificates, fingerprint: Sha256::digest(pem).into() })
            }
            _ => Err(InvalidWay::Pem),
        }
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.certificates.len())
    }
}

impl Proxy {
    /// A proxy at an http or https URL. User name and password come beside it, never in it.
    pub fn new(address: &str, credentials: Option<(String, SecretString)>) -> Result<Self, InvalidWay> {
        let address = Url::parse(address.trim()).map_err(|_| InvalidWay::Proxy)?;
        let plain = address.username().is_empty() && address.password().is_none() && has_host(&address);
        if plain && matches!(address.scheme(), "http" | "https") {
            Ok(Self { address, credentials })
        } else {
            Err(InvalidWay::Proxy)
        }
    }

    /// Its address, without credentials.
    #[cfg(test)]
    pub fn address(&self) -> &str {
        self.address.as_str()
    }

    /// Its host, as a URL writes it.
    pub fn host(&self) -> &str {
        self.address.host_str().unwrap_or_default()
    }

    /// Its address, if it is given as one and not as a name.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        literal(&self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address.as_str()).finish_non_exhaustive()
    }
}

impl Way {
    /// The machine's authorities and proxy.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, authorities: Authorities::default(), proxy: None }
    }

    /// Equal for ways that can share their connections.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.authorities.fingerprint);
        if let Some(proxy) = &self.proxy {
            let (username, password) = match &proxy.credentials {
                Some((username, password)) => (username.as_str(), password.expose_secret()),
                None => ("", ""),
            };
            for part in [proxy.address.as_str(), username, password] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    /// Takes this way for all connections.
    pub(super) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, InvalidWay> {
        let builder = builder.tls_certs_merge(self.authorities.certificates.iter().cloned());
        let Some(proxy) = &self.proxy else { return Ok(builder) };
        let mut route = reqwest::Proxy::all(proxy.address.as_str()).map_err(|_| InvalidWay::Proxy)?;
        if let Some((username, password)) = &proxy.credentials {
            route = route.basic_auth(username, password.expose_secret());
        }
        Ok(builder.proxy(route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_address_is_a_url_without_secrets() {
        assert!(Proxy::new("http://proxy.example.com:3128", None).is_ok());
        for bad in ["proxy:3128", "socks5://proxy", "http://u:p@proxy", "", "http://", "http://{proxy}:3128"] {
            assert_eq!(Proxy::new(bad, None).err(), Some(InvalidWay::Proxy), "{bad}");
        }
        let proxy = Proxy::new("http://proxy", Some(("u".to_owned(), "hunter2".into()))).unwrap();
        assert!(!format!("{proxy:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(Authorities::from_pem(b"").err(), Some(InvalidWay::Pem));
        assert_eq!(Authorities::from_pem(b"-----BEGIN PRIVATE KEY-----\n").err(), Some(InvalidWay::Pem));
        let junk = "-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n";
        let good = rcgen::generate_simple_self_signed(vec!["git.example.com".to_owned()]).unwrap().cert.pem();
        assert!(Authorities::from_pem(good.as_bytes()).is_ok());
        assert_eq!(Authorities::from_pem(junk.as_bytes()).err(), Some(InvalidWay::Pem));
        assert_eq!(Authorities::from_pem((good + junk).as_bytes()).err(), Some(InvalidWay::Pem));
    }
}
