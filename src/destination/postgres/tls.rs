//! TLS as libpq has it: without an authority to ask, encryption only; with one, proof of who answers.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error as Fault, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Authorities, Tls};
use crate::destination::Error;

/// What makes TLS connections; nothing is read from files later.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, Error> {
    let builder = ClientConfig::builder();
    let provider = Arc::clone(builder.crypto_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match tls {
        Tls::Disable | Tls::Prefer | Tls::Require => Arc::new(Anybody(provider)),
        Tls::VerifyName(Authorities::System) => {
            let nobody = |_| {
                Error::Invalid("this machine trusts no certificate authority: name a file with sslrootcert".to_owned())
            };
            return Ok(MakeRustlsConnect::new(builder.with_platform_verifier().map_err(nobody)?.with_no_client_auth()));
        }
        Tls::VerifyName(authorities) => webpki(authorities, provider)?,
        Tls::VerifyAuthority(authorities) => Arc::new(AnyName(webpki(authorities, provider)?)),
    };
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn webpki(authorities: &Authorities, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let invalid =
        || Error::Invalid("the file of sslrootcert cannot be read, or holds no certificate in PEM form".to_owned());
    let mut roots = RootCertStore::empty();
    let certificates = match authorities {
        Authorities::System => Vec::new(),
        Authorities::File(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|_: rustls::pki_types::pem::Error| invalid())?,
        Authorities::Given(certificates) => certificates.clone(),
    };
    for certificate in certificates {
        roots.add(certificate).map_err(|_| invalid())?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|_| invalid())
}

/// Takes every certificate: who answers is not asked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Fault> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Fault> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Fault> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes every name that the authorities have signed.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Fault> {
        // The name is what is looked at last.
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Fault::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Fault> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Fault> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
