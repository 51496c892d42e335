//! The server's certificate, as it is in its files: whoever renews it, as cert-manager does, writes them anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The kubelet brings a changed Secret into a Pod within about a minute too.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The files of a certificate and its key, in PEM form.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, and those of the authorities between it and the one that is trusted.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What was in the files.
#[derive(PartialEq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate that follows its files.
pub struct Certificate {
    files: Files,
    pair: Pair,
    /// What connections are accepted with.
    pub config: RustlsConfig,
}

impl Certificate {
    /// Reads the files. The error says which of them is wrong.
    pub async fn read(files: Files) -> Result<Self, String> {
        let pair = files.read().await?;
        let config = RustlsConfig::from_config(files.config(&pair).await?);
        Ok(Self { files, pair, config })
    }

    /// Follows the files until told to stop. What cannot be used does not take the place of what can.
    pub async fn follow(mut self, stop: CancellationToken) {
        let mut told = None;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let problem = self.look().await.err();
            if let Some(problem) = problem.as_ref().filter(|problem| told.as_ref() != Some(*problem)) {
                warn!("the Data Cloud API goes on with the certificate that it has: {problem}");
            }
            told = problem;
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let pair = self.files.read().await?;
        if pair != self.pair {
            self.config.reload_from_config(self.files.config(&pair).await?);
            self.pair = pair;
            info!("the Data Cloud API has a new certificate");
        }
        Ok(())
    }
}

impl Files {
    async fn read(&self) -> Result<Pair, String> {
        let read = async |path: &Path| {
            tokio::fs::read(path).await.map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        Ok(Pair { certificate: read(&self.certificate).await?, key: read(&self.key).await? })
    }

    /// HTTP/1.1 only: an idle connection of that is closed, and each carries one call at a time.
    async fn config(&self, pair: &Pair) -> Result<Arc<ServerConfig>, String> {
        let read = RustlsConfig::from_pem(pair.certificate.clone(), pair.key.clone());
        let read = read.await.map_err(|error| self.wrong(&error))?.get_inner();
        let mut config = ServerConfig::clone(&read);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn wrong(&self, error: &std::io::Error) -> String {
        format!(
            "{} and {} are no certificate and its key in PEM form: {error}",
            self.certificate.display(),
            self.key.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &Files, of: &rcgen::CertifiedKey<rcgen::KeyPair>) {
        std::fs::write(&files.certificate, of.cert.pem()).unwrap();
        std::fs::write(&files.key, of.signing_key.serialize_pem()).unwrap();
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        crate::runtime::tls::install();
        let folder = tempfile::tempdir().unwrap();
        let files = Files { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        let made = || rcgen::generate_simple_self_signed(["a.example.com".to_owned()]).unwrap();
        assert!(Certificate::read(files.clone()).await.is_err(), "no file");
        write(&files, &made());
        let mut certificate = Certificate::read(files.clone()).await.unwrap();
        let first = certificate.config.get_inner();
        certificate.look().await.unwrap();
        assert!(std::sync::Arc::ptr_eq(&first, &certificate.config.get_inner()), "nothing has changed");
        std::fs::write(&files.certificate, "nothing").unwrap();
        assert!(certificate.look().await.unwrap_err().contains("tls.crt"));
        assert!(std::sync::Arc::ptr_eq(&first, &certificate.config.get_inner()), "the first is still good");
        write(&files, &made());
        certificate.look().await.unwrap();
        assert!(!std::sync::Arc::ptr_eq(&first, &certificate.config.get_inner()));
    }
}
