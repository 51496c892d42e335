//! Which of several servers is taken, and how long one is waited for.

use bitbucket_connector::destination::{Destination, Error};
use bitbucket_connector::runtime::tls;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::postgres::{Database, PASSWORD_IN_URI, own_server};

async fn opened(url: &str) -> Result<(), Error> {
    Destination::open(&url.parse().unwrap()).await.map(drop)
}

/// Its database under other hosts.
fn at(Database { name, role, .. }: &Database, hosts: &str, parameters: &str) -> String {
    format!("postgres://{role}:{PASSWORD_IN_URI}@{hosts}/{name}?{parameters}")
}

#[tokio::test]
async fn the_first_that_can_be_used_is_taken() {
    tls::install();
    let (server, process) = own_server().await;
    let database = server.database().await;
    // Nobody listens at the first one.
    let hosts = format!("127.0.0.1:1,{}", server.address);
    opened(&at(&database, &hosts, "")).await.unwrap();
    opened(&at(&database, &hosts, "target_session_attrs=read-write")).await.unwrap();
    // By a socket there is no TLS, whatever is asked for.
    let port = server.address.rsplit_once(':').unwrap().1;
    let folder = process.folder.display().to_string().replace('/', "%2F");
    opened(&at(&database, &format!("{folder}:{port}"), "sslmode=require")).await.unwrap();
}

#[tokio::test]
async fn one_that_can_only_be_read_is_passed_over_where_that_is_asked_for() {
    tls::install();
    let database = own_server().await.0.database().await;
    let address = &database.server.address;
    let read_only = "options=-c%20default_transaction_read_only%3Don";
    let refused = opened(&at(&database, address, &format!("target_session_attrs=read-write&{read_only}"))).await;
    let Err(Error::Unavailable(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("server is read-only"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_waited_for_as_long_as_its_address_says() {
    tls::install();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (parameters, seconds) in [("connect_timeout=2", 2), ("", 10), ("connect_timeout=60", 10)] {
        let began = Instant::now();
        let silent = opened(&format!("postgres://u:hunter2@{address}/x?{parameters}")).await;
        let Err(Error::Unavailable(text)) = silent else { panic!("{silent:?}") };
        assert!(text.contains("does not answer"), "{text}");
        // Of the paused clock.
        assert_eq!(began.elapsed().as_secs(), seconds, "{parameters}");
    }
}
