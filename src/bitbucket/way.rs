//! The way to a Bitbucket: whom to trust, through which proxy, and for how long to wait.

use std::fmt;
use std::time::Duration;

use reqwest::{Certificate, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::url::has_host;

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
pub struct Authorities(Vec<Certificate>);

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
            Ok(certificates) if usable && !certificates.is_empty() => Ok(Self(certificates)),
            _ => Err(InvalidWay::Pem),
        }
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
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
    pub fn address(&self) -> &str {
        self.address.as_str()
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

    pub(super) fn client(&self) -> Result<reqwest::Client, InvalidWay> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("bitbucket-connector/", env!("CARGO_PKG_VERSION")))
            // Credentials go to one origin. Where a redirect leads is judged by who reads the answer.
            .redirect(redirect::Policy::none())
            .timeout(self.timeout)
            .tls_certs_merge(self.authorities.0.iter().cloned());
        if let Some(proxy) = &self.proxy {
            let mut route = reqwest::Proxy::all(proxy.address.as_str()).map_err(|_| InvalidWay::Proxy)?;
            if let Some((username, password)) = &proxy.credentials {
                route = route.basic_auth(username, password.expose_secret());
            }
            builder = builder.proxy(route);
        }
        builder.build().map_err(|_| InvalidWay::NoAuthorities)
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
