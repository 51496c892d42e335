//! TLS and proxies before the simulator, which speaks plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// A certificate authority of a test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    WrongName,
    Expired,
    /// None, but what comes after the headers was not encrypted with its key.
    Garbled,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key, both as PEM.
    pub fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // OpenSSL takes a certificate with its authority's name for that one.
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// Serves with a certificate for a name, and with the key of another one.
    pub fn stolen(&self, name: &str, version: &'static rustls::SupportedProtocolVersion) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_slice(self.sign(name).0.as_bytes()).unwrap();
        let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).unwrap();
        let stolen = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        let config = ServerConfig::builder_with_protocol_versions(&[version]).with_no_client_auth();
        TlsAcceptor::from(Arc::new(config.with_cert_resolver(Arc::new(stolen))))
    }

    /// Serves TLS for localhost before `behind`. The port stays open as long as the test.
    pub async fn front(&self, behind: SocketAddr, flaw: Flaw) -> SocketAddr {
        let name = if flaw == Flaw::WrongName { "elsewhere.example.com" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if flaw == Flaw::Expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.0).unwrap().into();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust us hangs up, which is what some tests want.
                    let Ok(mut inside) = acceptor.accept(stream).await else { return };
                    if flaw == Flaw::Garbled {
                        let _ = inside.read(&mut [0; 4096]).await;
                        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
                        let _ = inside.write_all(head).await;
                        let _ = inside.flush().await;
                        // A record of 32 bytes.
                        let _ = inside.get_mut().0.write_all(&[&[23, 3, 3, 0, 32][..], &[7; 32]].concat()).await;
                        return;
                    }
                    let Ok(mut outside) = TcpStream::connect(behind).await else { return };
                    let _ = copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
        });
        address
    }
}

/// A plain HTTP server that redirects every request to the same path behind https at `port` of localhost, and
/// tells the head of each request.
pub async fn redirect(port: u16) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while stream.read_line(&mut head).await.is_ok_and(|length| length > 2) {}
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let _ = tell.send(head);
                let answer = format!(
                    "HTTP/1.1 301 Moved Permanently\r\nLocation: https://localhost:{port}{path}\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, told)
}

/// An HTTP proxy that passes everything on to `behind`, whatever it is asked for, and tells the header
/// `Proxy-Authorization` of each connection's first request.
pub async fn proxy(behind: SocketAddr) -> (SocketAddr, mpsc::UnboundedReceiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut inside = BufReader::new(stream);
                let mut head = Vec::new();
                let mut line = String::new();
                while inside.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    head.push(std::mem::take(&mut line));
                }
                let found = head.iter().find_map(|line| line.strip_prefix("proxy-authorization: "));
                let _ = tell.send(found.map(|value| value.trim().to_owned()));
                let Ok(mut outside) = TcpStream::connect(behind).await else { return };
                if head.first().is_some_and(|line| line.starts_with("CONNECT ")) {
                    if inside.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_err() {
                        return;
                    }
                } else {
                    let head = format!("{}\r\n", head.concat());
                    if outside.write_all(head.as_bytes()).await.is_err() {
                        return;
                    }
                }
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    (address, told)
}
