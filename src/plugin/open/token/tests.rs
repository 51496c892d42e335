use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Json;
use axum::routing::post;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::*;
use crate::runtime::tls;

/// A kubeconfig whose user has this.
async fn config(user: Value) -> Config {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
    });
    let kubeconfig = Kubeconfig::from_yaml(&kubeconfig.to_string()).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

async fn refused(user: Value) -> String {
    match Token::own(&config(user).await).await {
        Ok(_) => panic!("there is a token"),
        Err(failure) => failure.to_string(),
    }
}

/// A program that gives another token each time, good until `until`.
fn program(folder: &Path, until: &str) -> Value {
    let (path, calls) = (folder.join("login"), folder.join("calls"));
    let status = format!(r#"{{"token":"t-%d","expirationTimestamp":"{until}"}}"#);
    let answer =
        format!(r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}"#);
    let calls = calls.display();
    let script = format!("#!/bin/sh\necho >>'{calls}'\nprintf '{answer}' \"$(wc -l <'{calls}')\"\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": path, "interactiveMode": "Never"}})
}

#[tokio::test]
async fn the_callers_own_token_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from-file").unwrap();
    for (user, expected) in [
        (json!({"token": "plain"}), "Bearer plain"),
        (json!({"tokenFile": file}), "Bearer from-file"),
        (json!({"token": "both", "client-certificate-data": "YQ==", "client-key-data": "YQ=="}), "Bearer both"),
    ] {
        let token = Token::own(&config(user.clone()).await).await.unwrap();
        let header = token.header().await.unwrap();
        assert_eq!(header, expected, "{user}");
        assert!(header.is_sensitive());
    }
}

#[tokio::test]
async fn a_program_is_called_again_once_its_token_ends() {
    for (until, calls) in [("2100-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 4)] {
        let folder = tempfile::tempdir().unwrap();
        let token = Token::own(&config(program(folder.path(), until)).await).await.unwrap();
        token.header().await.unwrap();
        let last = token.header().await.unwrap();
        // Once to begin with, and wherever a header is needed that is good: to try it, and twice.
        assert_eq!(last, format!("Bearer t-{calls}"), "{until}");
        assert_eq!(std::fs::read_to_string(folder.path().join("calls")).unwrap().len(), calls, "{until}");
    }
}

#[tokio::test]
async fn who_has_no_token_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = program(folder.path(), "2100-01-01T00:00:00Z");
    let without = [
        json!({"client-certificate-data": "YQ==", "client-key-data": "YQ=="}),
        json!({"username": "u", "password": "hunter2"}),
        json!({}),
    ];
    for user in without {
        let text = refused(user.clone()).await;
        assert!(text.contains("has no token") && text.contains("--service-account NAME"), "{user}: {text}");
    }
    let somebody = refused(json!({"token": "t", "as": "somebody"})).await;
    assert!(somebody.contains("--as") && somebody.contains("--service-account NAME"), "{somebody}");
    program["exec"]["command"] = json!(folder.path().join("none"));
    assert!(refused(program).await.starts_with("the kubeconfig: "));
}

#[tokio::test]
async fn a_service_accounts_token_is_renewed_before_it_ends() {
    tls::install();
    let (calls, lifetime) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicI64::new(3600)));
    let (counted, lasting) = (calls.clone(), lifetime.clone());
    let answer = post(async move |Json(request): Json<Value>| {
        assert_eq!(request["spec"]["expirationSeconds"], 3600, "{request}");
        let number = counted.fetch_add(1, Ordering::SeqCst);
        let seconds = lasting.load(Ordering::SeqCst);
        let token = if seconds < 0 { String::new() } else { format!("sa-{number}") };
        let status = json!({"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"});
        Json(json!({"spec": {"audiences": [], "expirationSeconds": seconds}, "status": status}))
    });
    let router = Router::new().route("/api/v1/namespaces/team/serviceaccounts/reader/token", answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    let cluster = Cluster { client, namespace: "team".to_owned() };
    let Token::Account(account) = Token::of(&cluster, "reader").await.unwrap() else { panic!("a ServiceAccount's") };
    let begin = Timestamp::now();
    let at = |seconds| account.header(begin + SignedDuration::from_secs(seconds));
    assert_eq!(at(2000).await.unwrap(), "Bearer sa-0");
    lifetime.store(600, Ordering::SeqCst);
    assert_eq!(at(2890).await.unwrap(), "Bearer sa-1", "of the hour");
    assert_eq!(at(2890 + 470).await.unwrap(), "Bearer sa-1");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    lifetime.store(-1, Ordering::SeqCst);
    assert_eq!(at(2890 + 590).await.unwrap(), "Bearer sa-1", "it is good for a while yet");
    let error = at(2890 + 610).await.unwrap_err();
    assert!(error.contains("ServiceAccount reader"), "{error}");
    let missing = Token::of(&cluster, "nobody").await.err().unwrap().to_string();
    assert!(missing.contains("ServiceAccount nobody"), "{missing}");
}
