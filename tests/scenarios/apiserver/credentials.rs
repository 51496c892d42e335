//! The operator's own credentials, and those of the API server, are others: they are read anew without a restart.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::support::front::End;
use crate::support::tls::Authority;

fn token(stage: &Stage) -> String {
    stage.kubectl(&["create", "token", "bitbucket-connector"]).trim().to_owned()
}

/// Tokens of ServiceAccounts are good for an hour, and the kubelet replaces the file in time; here it is late.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_is_read_anew() {
    let mut scene = scene("token").await;
    let (old, new) = (token(&scene.stage), token(&scene.stage));
    assert_ne!(old, new);
    let file = scene.stage.folder.path().join("token");
    std::fs::write(&file, &old).unwrap();
    let accept = |token: String| {
        move |call: &Call| {
            if call.token == token {
                Act::Pass
            } else {
                Act::status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
            }
        }
    };
    scene.front.on(accept(old));
    let address = scene.front.address;
    scene.stage.start_operator_with(|config| {
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{address}")});
        config["users"][0]["user"] = json!({"tokenFile": file});
    });
    let simulator = scene.connect("a").await;
    let before = scene.stage.until_ready("a", "True", "Synced").await;
    let (requests, seen) = (asked(&simulator), scene.front.calls().len());
    scene.front.on(accept(new.clone()));
    scene.front.end_watches(End::Quiet);
    scene.ask("a", "now");
    // It is refused, and nothing follows from that.
    scene.front.until(|calls| calls.len() >= seen + 4).await;
    let meanwhile = scene.stage.objects.get("a").await.unwrap();
    assert_eq!((before.status, requests), (meanwhile.status, asked(&simulator)));
    std::fs::write(&file, new).unwrap();
    scene.until_done("a", "now").await;
    assert_eq!(scene.logged("sync run started"), 2);
    scene.stage.terminate_operator().await;
}

/// TLS before a front, whose certificate can be replaced.
struct Terminator {
    port: u16,
    /// Its connections end when this changes.
    acceptor: watch::Sender<TlsAcceptor>,
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let (certificate, key) = authority.sign("localhost");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Terminator {
    async fn new(authority: &Authority, front: &Front) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, behind) = (listener.local_addr().unwrap().port(), front.address);
        let acceptor = watch::Sender::new(acceptor(authority));
        let mut current = acceptor.subscribe();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let now = current.borrow_and_update().clone();
                let mut current = current.clone();
                tokio::spawn(async move {
                    // Whoever does not trust us hangs up.
                    let Ok(mut near) = now.accept(stream).await else { return };
                    let mut far = TcpStream::connect(behind).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = current.changed() => {}
                    }
                });
            }
        });
        Self { port, acceptor }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_replaced_is_read_anew() {
    let mut scene = scene("authority").await;
    let (old, new) = (Authority::new(), Authority::new());
    let terminator = Terminator::new(&old, &scene.front).await;
    let file: PathBuf = scene.stage.folder.path().join("ca.crt");
    std::fs::write(&file, old.pem()).unwrap();
    scene.stage.start_operator_with(|config| {
        let server = format!("https://localhost:{}", terminator.port);
        config["clusters"][0]["cluster"] = json!({"server": server, "certificate-authority": file});
    });
    let simulator = scene.connect("a").await;
    let before = scene.stage.until_ready("a", "True", "Synced").await;
    let requests = asked(&simulator);
    terminator.acceptor.send_replace(acceptor(&new));
    scene.ask("a", "now");
    until("the certificate is refused", async || scene.logged("is tried again") > 0).await;
    assert!(scene.logged("invalid peer certificate") > 0, "it is said what is wrong with it");
    assert_eq!(scene.logged("failed with error"), 0);
    let meanwhile = scene.stage.objects.get("a").await.unwrap();
    assert_eq!((before.status, requests), (meanwhile.status, asked(&simulator)));
    std::fs::write(&file, new.pem()).unwrap();
    scene.until_done("a", "now").await;
    assert_eq!(scene.logged("sync run started"), 2);
    scene.stage.terminate_operator().await;
}
