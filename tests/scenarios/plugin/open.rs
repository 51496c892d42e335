//! `open`: as whom a page is asked for. That a Pod's port is forwarded takes a node.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use bitbucket_connector::runtime::tls;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;

use super::scene::Scene;
use crate::support::leaks::{assert_clean, look_for};
use crate::support::within;

/// A page that keeps who has asked for it.
async fn page(seen: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async move |headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        seen.lock().unwrap().push(token);
        "the page"
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_asked_for_as_a_service_account() {
    tls::install();
    let scene = Scene::start("plugin-open").await;
    let seen = Arc::default();
    let address = page(Arc::clone(&seen)).await.to_string();
    let call = ["open", "a", "--no-browser", "--address", &address];
    // Its kubeconfig has a client certificate.
    let without = scene.run(&call).await;
    assert_eq!(without.code, Some(2), "{without:?}");
    assert!(without.err.contains("--service-account NAME"), "{without:?}");
    let impersonated = scene.run(&[&call[..], &["--as", "somebody"]].concat()).await;
    assert_eq!(impersonated.code, Some(2), "{impersonated:?}");
    assert!(
        impersonated.err.contains("--as") && impersonated.err.contains("--service-account NAME"),
        "{impersonated:?}"
    );
    let missing = scene.run(&[&call[..], &["--service-account", "nobody"]].concat()).await;
    assert_eq!(missing.code, Some(6), "{missing:?}");
    assert!(missing.err.contains("\"nobody\" not found"), "{missing:?}");
    let elsewhere = scene.run(&["open", "--address", "10.0.0.1:8082"]).await;
    assert_eq!(elsewhere.code, Some(2), "{elsewhere:?}");

    scene.stage.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: reader}\n");
    let nobody =
        scene.run(&["open", "--service-account", "reader", "--operator-namespace", &scene.stage.namespace]).await;
    assert_eq!(nobody.code, Some(6), "{nobody:?}");
    assert!(nobody.err.contains("no running Pod"), "{nobody:?}");
    let mut process = scene.begin(&[&call[..], &["--service-account", "reader"]].concat());
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let url = within("the URL", lines.next_line()).await.unwrap().unwrap();
    let browser = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let entered = browser.get(&url).send().await.unwrap();
    assert_eq!(entered.status(), 303, "{url}");
    let path = entered.headers()[LOCATION].to_str().unwrap();
    assert_eq!(path, format!("/connections/{}/a", scene.stage.namespace));
    let cookie = entered.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    let origin = url.split("/enter/").next().unwrap();
    let shown = browser.get(format!("{origin}{path}")).header(COOKIE, cookie).send().await.unwrap();
    assert_eq!(shown.text().await.unwrap(), "the page");

    let token = seen.lock().unwrap().pop().unwrap();
    look_for(&token);
    let reviews: Api<TokenReview> = Api::all(Client::try_from(scene.stage.config.clone()).unwrap());
    let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
    let review = TokenReview { spec, ..TokenReview::default() };
    let status = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
    let name = format!("system:serviceaccount:{}:reader", scene.stage.namespace);
    assert_eq!(status.user.unwrap().username, Some(name));

    let pid = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    let out = lines.get_mut().read_to_string(&mut rest);
    let (ended, _) = within("the end", async { tokio::try_join!(process.wait_with_output(), out) }).await.unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_clean("what it says", [url.as_bytes(), rest.as_bytes(), &ended.stderr].concat());
    assert!(browser.get(origin).send().await.is_err(), "nobody listens any more");
}
