//! Who may do what, and what comes from elsewhere.

use reqwest::{RequestBuilder, StatusCode};

use super::browser::{Browser, DESKTOP};
use super::furnished;
use super::scene::{EVERYTHING, LOOKING, Scene};
use crate::support::leaks::assert_clean;
use crate::support::until;
use crate::support::visitor::token;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_look_only_finds_no_button_and_is_refused_without_one() {
    let scene = furnished("page-rights").await;
    let token = token(&scene.stage, "viewer", &LOOKING).await;
    let page = format!("/connections/{}/good", scene.stage.namespace);
    let way = scene.way(&token).await;
    let browser = Browser::start(DESKTOP).await;
    browser.open(&way.url).await;
    for path in [format!("/?namespace={}", scene.stage.namespace), page.clone()] {
        browser.visit(&path).await;
        let search = browser.count("button:not([disabled])").await;
        assert_eq!((search, browser.count("a.button").await), (1, 0), "{path}: {}", browser.text().await);
    }
    for action in ["request", "suspend"] {
        let answer = scene.post(&format!("{page}/{action}"), &[]).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{action}");
    }
    let fields = [
        ("namespace", scene.stage.namespace.as_str()),
        ("name", "new"),
        ("url", &scene.simulator.url()),
        ("username", "reader"),
        ("password", "hunter2"),
    ];
    let names = || scene.stage.kubectl(&["get", "secret,bbc", "-o", "name"]);
    let (stored, before) = (names(), scene.simulator.requests().len());
    let answer = scene.post("/new", &fields).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let text = answer.text().await.unwrap();
    assert!(text.contains("Kubernetes refuses it"), "{text}");
    assert_clean("the form", &text);
    assert_eq!(scene.simulator.requests().len(), before, "no password is tried by who could not store it");
    assert_eq!(names(), stored);
    assert!(!scene.stage.objects.get("good").await.unwrap().spec.suspend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_is_offered_where_the_visitor_may_make_one() {
    let scene = Scene::start("page-offer").await;
    let namespace = &scene.stage.namespace;
    let (own, form) = (format!("/?namespace={namespace}"), format!("/new?namespace={namespace}"));
    let ask = async |token: &str, path: &str| {
        let answer = scene.get(path).bearer_auth(token).send().await.unwrap();
        let status = answer.status();
        (status, answer.text().await.unwrap().matches("href=\"/new").count())
    };
    let half = ["get,list,create bitbucketconnections.bitbucket-connector.dev"];
    let others = ["get,list bitbucketconnections.bitbucket-connector.dev", "create secrets"];
    // The list has the button, and as long as it is empty a link in its place.
    for (name, rights, status, offered) in [
        ("viewer", &LOOKING[..], StatusCode::FORBIDDEN, 0),
        ("half", &half[..], StatusCode::FORBIDDEN, 0),
        ("other-half", &others[..], StatusCode::FORBIDDEN, 0),
        ("editor", &EVERYTHING[..], StatusCode::OK, 2),
    ] {
        let token = token(&scene.stage, name, rights).await;
        assert_eq!(ask(&token, &own).await, (StatusCode::OK, offered), "{name}");
        assert_eq!(ask(&token, &form).await.0, status, "{name}");
        assert_eq!(ask(&token, "/new").await.0, StatusCode::OK, "{name} may in a namespace that is not named yet");
    }
    // Where all namespaces are shown, one is not enough.
    let everywhere = |name: &str, verbs: &str| {
        let role = format!("{namespace}-{name}");
        let (verbs, account) = (format!("--verb={verbs}"), format!("--serviceaccount={namespace}:{name}"));
        let resources = ["--resource=bitbucketconnections.bitbucket-connector.dev", "--resource=secrets"];
        scene.stage.kubectl(&["create", "clusterrole", &role, &verbs, resources[0], resources[1]]);
        scene.stage.kubectl(&["create", "clusterrolebinding", &role, &format!("--clusterrole={role}"), &account]);
    };
    for (name, verbs, offered) in [("lister", "list", 0), ("maker", "list,create", 2)] {
        let token = token(&scene.stage, name, &EVERYTHING).await;
        everywhere(name, verbs);
        until("the rights are in force", async || ask(&token, "/").await == (StatusCode::OK, offered)).await;
        assert_eq!(ask(&token, &own).await.1, 2, "{name}");
    }
    assert_eq!(ask("nobody", "/new").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_token_nor_by_another_page() {
    let scene = furnished("page-strangers").await;
    let token = token(&scene.stage, "admin", &EVERYTHING).await;
    let page = format!("/connections/{}/good", scene.stage.namespace);
    for (token, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("nobody"), StatusCode::UNAUTHORIZED),
        (Some(token.as_str()), StatusCode::OK),
    ] {
        let request = scene.get(&page);
        let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        assert!(header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!((header("cache-control"), header("set-cookie")), ("no-store".to_owned(), String::new()));
    }
    for origin in [None, Some("http://evil.example.com"), Some("null")] {
        let suspend = scene.http.post(format!("http://{}{page}/suspend", scene.address)).bearer_auth(&token);
        let suspend = origin.into_iter().fold(suspend, |request, origin| request.header("Origin", origin));
        assert_eq!(suspend.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    // The password was judged wrong: it is not sent again by a click too many.
    let failed = scene.simulator.failed_logins("second");
    let wrong = format!("/connections/{}/wrong/request", scene.stage.namespace);
    let answer = scene.post(&wrong, &[]).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(scene.simulator.failed_logins("second"), failed);
    for path in ["/connections/a/..%2F..%2Fsecrets", "/nothing", "/assets/other"] {
        let answer = scene.get(path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
