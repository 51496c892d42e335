//! TLS with PostgreSQL: proof of who answers where an authority is named, encryption alone where none is.

use bitbucket_connector::destination::{DatabaseUrl, Destination, Error, query};
use bitbucket_connector::runtime::tls;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::postgres::{Database, PASSWORD_IN_URI, Setup, started};
use crate::support::tls::Authority;

/// A server with a certificate for localhost, on which only its administrator may log in without TLS.
struct House {
    database: Database,
    folder: TempDir,
}

impl House {
    async fn start(authority: &Authority) -> Self {
        tls::install();
        let (certificate, key) = authority.sign("localhost");
        let access = "host all postgres 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        let files = vec![("server.crt", certificate), ("server.key", key), ("pg_hba.conf", access.to_owned())];
        let (server, _) = started(Setup { settings: vec!["ssl=on"], files, small: None }).await;
        Self { database: server.database().await, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, authority: &Authority) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        path.display().to_string()
    }

    fn url(&self, host: &str, parameters: &str) -> DatabaseUrl {
        let Database { server, name, role, .. } = &self.database;
        let port = server.address.rsplit_once(':').unwrap().1;
        format!("postgres://{role}:{PASSWORD_IN_URI}@{host}:{port}/{name}?{parameters}").parse().unwrap()
    }

    /// Opens the database and looks whether the server sees TLS.
    async fn assert_encrypted(&self, host: &str, parameters: &str) {
        let url = self.url(host, parameters);
        Destination::open(&url).await.unwrap_or_else(|error| panic!("{host}, {parameters}: {error}"));
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(json!(query(&url, sql).await.unwrap().rows), json!([[true]]), "{host}, {parameters}");
    }

    async fn assert_refused(&self, host: &str, parameters: &str, says: &str) {
        match Destination::open(&self.url(host, parameters)).await {
            Err(Error::Invalid(text)) => assert!(text.contains(says), "{host}, {parameters}: {text}"),
            other => panic!("{host}, {parameters}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_by_its_certificate_where_an_authority_is_named() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let house = House::start(&right).await;
    let (ours, others) = (house.file("ca.crt", &right), house.file("other.crt", &wrong));
    for mode in ["sslmode=verify-full&", "sslmode=require&", ""] {
        house.assert_encrypted("localhost", &format!("{mode}sslrootcert={ours}")).await;
        let says = "does not name the host: write the host as the certificate has it";
        house.assert_refused("127.0.0.1", &format!("{mode}sslrootcert={ours}"), says).await;
        let says = "an authority that is not trusted: let sslrootcert name a file";
        house.assert_refused("localhost", &format!("{mode}sslrootcert={others}"), says).await;
    }
    // Where one of several cannot be read, nobody can say what was meant.
    let garbage = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let mixed = house.folder.path().join("mixed.crt");
    std::fs::write(&mixed, right.pem() + garbage).unwrap();
    house.assert_refused("localhost", &format!("sslrootcert={}", mixed.display()), "no certificate in PEM form").await;
    // The machine's own authorities know nothing of it.
    house.assert_refused("localhost", "sslmode=verify-full", "certificate").await;
    // The name is what verify-ca does not look at; the authority it does.
    house.assert_encrypted("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ours}")).await;
    let says = "an authority that is not trusted";
    house.assert_refused("localhost", &format!("sslmode=verify-ca&sslrootcert={others}"), says).await;
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// The next client, which has asked for TLS.
async fn welcome(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 8]).await.unwrap();
    stream
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_apart_from_a_connection_that_was_lost() {
    tls::install();
    let listener = listener().await;
    let url = format!("postgres://u:hunter2@{}/x?sslmode=require", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let mut stream = welcome(&listener).await;
            stream.write_all(b"SHTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    match Destination::open(&url.parse().unwrap()).await {
        Err(Error::Unavailable(text)) => assert!(text.contains("TLS with the PostgreSQL server failed"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_tls_is_asked_for_nothing_is_sent_without_it() {
    tls::install();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, Authority::new().pem()).unwrap();
    for mode in ["require", "verify-full", "verify-ca"] {
        let listener = listener().await;
        let root = if mode == "require" { String::new() } else { format!("&sslrootcert={}", file.display()) };
        let place = format!("localhost:{}/x?sslmode={mode}{root}", listener.local_addr().unwrap().port());
        let serving = tokio::spawn(async move {
            let mut stream = welcome(&listener).await;
            stream.write_all(b"N").await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            rest
        });
        match Destination::open(&format!("postgres://u:hunter2@{place}").parse().unwrap()).await {
            Err(Error::Invalid(_)) => {}
            other => panic!("{mode}: {other:?}"),
        }
        assert!(serving.await.unwrap().is_empty(), "{mode}: not even the user's name");
    }
}

#[tokio::test]
async fn a_certificate_is_worth_nothing_without_its_key() {
    tls::install();
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, authority.pem()).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (listener, acceptor) = (listener().await, authority.stolen("localhost", version));
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            loop {
                let mut stream = welcome(&listener).await;
                stream.write_all(b"S").await.unwrap();
                if acceptor.accept(stream).await.is_ok() {
                    return;
                }
            }
        });
        for mode in ["verify-full", "verify-ca"] {
            let place = format!("localhost:{port}/x?sslmode={mode}&sslrootcert={}", file.display());
            match Destination::open(&format!("postgres://u:hunter2@{place}").parse().unwrap()).await {
                Err(Error::Invalid(text)) => assert!(text.contains("authority that is not trusted"), "{text}"),
                other => panic!("{version:?}, {mode}: {other:?}"),
            }
        }
        assert!(!serving.is_finished(), "{version:?}: the handshake went through");
        serving.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_authority_there_is_encryption_and_no_question() {
    let house = House::start(&Authority::new()).await;
    for parameters in ["", "sslmode=allow", "sslmode=prefer", "sslmode=require"] {
        house.assert_encrypted("localhost", parameters).await;
        house.assert_encrypted("127.0.0.1", parameters).await;
    }
    let says = "or only one with TLS, which sslmode=require asks for";
    house.assert_refused("localhost", "sslmode=disable", says).await;
    let sql = "SELECT count(*) FROM bitbucket_connections";
    let Err(error) = query(&house.url("localhost", "sslmode=disable"), sql).await else { panic!("it is answered") };
    assert!(error.to_string().contains(says), "{error}");
}
